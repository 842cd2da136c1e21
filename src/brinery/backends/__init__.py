"""The engines that keep records: memory, directories of files, databases, object storage."""
