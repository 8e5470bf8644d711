"""The nouns of Towline, pure: values that are valid once they exist, and the rules between them.

Nothing here does I/O, knows the time by itself or imports anything beyond the standard library.
"""
