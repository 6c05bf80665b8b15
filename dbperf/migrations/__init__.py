"""The migration runner: yoyo's files and records, with its gaps closed."""

from dbperf.migrations.runner import MigrationStatus, Status, migrate, repair, rollback, status

__all__ = ["MigrationStatus", "Status", "migrate", "repair", "rollback", "status"]
