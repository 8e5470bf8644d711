"""Use cases, a file per noun. A method is one thing a caller wants; services alone open transactions.

A service is told who asks (`Access` or `Principal`); the routes' table has checked the permission
already, and methods that need more than the route's permission check it themselves.
"""
