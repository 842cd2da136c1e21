"""The parts of the codec msgpack: survey, kinds of values, arrays, paths in errors."""
