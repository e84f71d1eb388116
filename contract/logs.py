"""What the processes say while they run: records of `logging`, which every library uses too, laid
out by structlog as lines for people or as JSON for machines.

A record carries what its task or thread has bound at that moment.
"""

import logging
import os

from structlog.contextvars import bind_contextvars, bound_contextvars, merge_contextvars
from structlog.processors import EventRenamer, JSONRenderer, LogfmtRenderer, TimeStamper
from structlog.processors import format_exc_info as with_trace
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

from contract.settings import Settings

# `bind(job_id=...)`: each record of this task or thread has the field from now on; with
# `with bound(job_id=...)`, meanwhile.
bind, bound = bind_contextvars, bound_contextvars

# What all records of this process have in common; lines for people go without.
_process: dict[str, object] = {}
# A record is a line: what is in a message must neither begin another one nor steer a terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n"}
_fields = LogfmtRenderer()


def configure(settings: Settings, process: str) -> None:
    """Write the records of this process to stderr; `process` is api, worker or trainer."""
    describe_process(process=process, pid=os.getpid())
    layout: dict[str, list[Processor]] = {
        "text": [_line],
        "json": [_with_process, JSONRenderer(ensure_ascii=False)],
    }
    formatter = ProcessorFormatter(
        foreign_pre_chain=[TimeStamper(fmt="iso"), add_log_level, add_logger_name],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            EventRenamer("message"),
            merge_contextvars,
            with_trace,
            *layout[settings.log_format],
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(True)


def describe_process(**fields: object) -> None:
    """Add to the fields that each JSON record of this process has."""
    _process.update(fields)


def _with_process(_logger: object, _method: str, record: EventDict) -> EventDict:
    return {**record, **_process}


def _line(_logger: object, method: str, record: EventDict) -> str:
    head = f"{record.pop('timestamp')} {record.pop('level').upper()} {record.pop('logger')}"
    message = record.pop("message").strip()
    trace = record.pop("exception", None)
    fields = _fields(_logger, method, record)
    line = f"{head}: {message} {fields}".rstrip().translate(_CONTROL)
    return f"{line}\n{trace}" if trace else line
