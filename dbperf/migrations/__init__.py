"""The migration runner: yoyo's files and records, with its gaps closed."""

from dbperf.migrations.commands import MigrationStatus, Status, migrate, repair, rollback, status

__all__ = ["MigrationStatus", "Status", "migrate", "repair", "rollback", "status"]
