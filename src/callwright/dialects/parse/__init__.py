"""A turn of the assistant -> text, thinking and calls, whole or as it comes."""
