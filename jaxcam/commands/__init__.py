"""The commands: a function each, which parses by its signature and calls the library.

The library is imported inside the functions, so that `jaxcam --help` answers at once.
"""
