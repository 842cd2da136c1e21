"""The codecs that come with brinery, one module each, named after the library that it wraps."""
