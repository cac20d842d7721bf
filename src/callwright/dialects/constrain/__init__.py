"""Tools and a choice -> a grammar that admits nothing but turns that parse and calls that validate."""
