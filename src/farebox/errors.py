"""Every failure Farebox raises, one slug each.

The slug (`code`) is the same in Python, the API's JSON, the dashboard and the docs::

    FareboxError
    ├── ConfigError                    config_invalid
    ├── CatalogError                   catalog_invalid
    ├── PriceFileError                 price_file_invalid
    ├── PriceNotFoundError             price_not_found
    ├── JournalError                   journal_unavailable
    ├── LedgerError                    ledger_unavailable
    │   ├── LedgerLockedError          ledger_locked
    │   ├── LedgerSchemaError          ledger_schema_newer
    │   ├── LedgerTooOldError          ledger_schema_older
    │   ├── LedgerDamagedError         ledger_damaged
    │   └── LedgerUnwritableError      ledger_unwritable
    ├── ControlError                   control_unavailable
    │   ├── ControlSchemaError         control_schema_newer
    │   ├── ControlDamagedError        control_damaged
    │   └── ControlUnwritableError     control_unwritable
    ├── MessageRefusedError            message_refused
    ├── QuestionError                  question_failed
    │   ├── ReplicaBusyError           replica_busy
    │   └── ReplicaBuildingError       replica_building
    ├── BackupError                    backup_unusable
    ├── StateDirectoryError            state_directory_refused
    ├── StateDirectoryUnusableError    state_directory_unusable
    ├── PortInUseError                 port_in_use
    ├── CallNotFoundError              call_not_found
    ├── ServerNotRunningError          server_not_running
    ├── CertificateError               certificate_failed
    ├── CountersError                  budget_counters_unusable
    │   ├── CountersNewerError         budget_counters_newer
    │   └── CountersDamagedError       budget_counters_damaged
    ├── BudgetExceededError            budget_exceeded
    ├── BookkeepingError               bookkeeping_refused
    ├── NotInstalledError              not_installed
    ├── InvoiceError                   invoice_refused
    │   └── InvoiceNotFoundError       invoice_not_found
    └── UsageError                     usage_error
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

FOUND_MAX = 500
"""Characters of what was found that a finding repeats."""


class Finding(msgspec.Struct, frozen=True):
    """One problem in data a user wrote: where it is, what was found, what was expected."""

    file: str
    line: int
    key: str
    found: str
    expected: str

    def __post_init__(self) -> None:
        if len(self.found) > FOUND_MAX:  # what was found may be a megabyte
            msgspec.structs.force_setattr(self, "found", f"{self.found[:FOUND_MAX]}…")

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""  # what is wrong with a whole file has none
        return f"{where}:{key} found {self.found}, expected {self.expected}"


class FareboxError(Exception):
    """Root of every error Farebox raises on purpose."""

    code: ClassVar[str] = "farebox_error"


class FindingsError(FareboxError):
    """User data with one or more problems, all reported at once."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


class ConfigError(FindingsError):
    code = "config_invalid"


class CatalogError(FindingsError):
    code = "catalog_invalid"


class PriceFileError(FindingsError):
    code = "price_file_invalid"


class PriceNotFoundError(FareboxError):
    code = "price_not_found"


class JournalError(FareboxError):
    code = "journal_unavailable"


class LedgerError(FareboxError):
    code = "ledger_unavailable"


class LedgerLockedError(LedgerError):
    code = "ledger_locked"


class LedgerSchemaError(LedgerError):
    code = "ledger_schema_newer"


class LedgerTooOldError(LedgerError):
    code = "ledger_schema_older"


class LedgerDamagedError(LedgerError):
    code = "ledger_damaged"


class LedgerUnwritableError(LedgerError):
    code = "ledger_unwritable"


class ControlError(FareboxError):
    code = "control_unavailable"


class ControlSchemaError(ControlError):
    code = "control_schema_newer"


class ControlDamagedError(ControlError):
    code = "control_damaged"


class ControlUnwritableError(ControlError):
    code = "control_unwritable"


class MessageRefusedError(FareboxError):
    code = "message_refused"


class QuestionError(FareboxError):
    code = "question_failed"


class ReplicaBusyError(QuestionError):
    code = "replica_busy"


class ReplicaBuildingError(QuestionError):
    code = "replica_building"


class BackupError(FareboxError):
    code = "backup_unusable"


class StateDirectoryError(FareboxError):
    code = "state_directory_refused"


class StateDirectoryUnusableError(FareboxError):
    code = "state_directory_unusable"


class PortInUseError(FareboxError):
    code = "port_in_use"


class CallNotFoundError(FareboxError):
    code = "call_not_found"


class ServerNotRunningError(FareboxError):
    code = "server_not_running"


class CertificateError(FareboxError):
    code = "certificate_failed"


class CountersError(FareboxError):
    code = "budget_counters_unusable"


class CountersNewerError(CountersError):
    code = "budget_counters_newer"


class CountersDamagedError(CountersError):
    code = "budget_counters_damaged"


class BudgetExceededError(FareboxError):
    """A call that its budgets have no room for, or that was stopped: nothing of it was sent."""

    code = "budget_exceeded"

    def __init__(self, message: str, *, reason: str = "budget_exceeded") -> None:
        super().__init__(message)
        self.reason = reason
        """`budget_exceeded`, `budget_unbounded`, `stopped` or `budgets_unavailable`."""


class BookkeepingError(FareboxError):
    """Money that cannot be moved so: entries that do not balance, a key that was used for something else."""

    code = "bookkeeping_refused"


class NotInstalledError(FareboxError):
    """A package of an extra is wanted and not there; the message says what to type."""

    code = "not_installed"


class InvoiceError(FareboxError):
    """An invoice that cannot be made final, voided or credited so; the message says what would do."""

    code = "invoice_refused"


class InvoiceNotFoundError(InvoiceError):
    code = "invoice_not_found"


class UsageError(FareboxError):
    code = "usage_error"
