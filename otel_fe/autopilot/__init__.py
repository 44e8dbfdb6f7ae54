"""Sizes connection pools and caches of the live process, one experiment at a time; opt-in.

`controller.py` decides and is pure: time, measurements and resources are arguments. `sqlalchemy_pools.py`,
`redis_pools.py` and `cachetools_caches.py` resize what they are named after, and `server_limit.py` reads what a server
allows.
"""
