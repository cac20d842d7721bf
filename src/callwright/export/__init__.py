"""A trained model -> the files with which it leaves the building."""
