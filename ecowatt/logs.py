"""One log line per event, for people (console) or machines (JSON), from our code and the libraries alike."""

import logging.config
import sys

import structlog

FORMS = ("console", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# They log every task of a schedule that runs every few seconds; failures come as warnings and errors.
CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace", "httpx")


def logging_config(*, level: str, form: str) -> None:
    """Route structlog and the standard library through one handler: a level of LEVELS, a form of FORMS."""
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    # Plain tracebacks: the pretty ones print every local variable, so passwords and tokens too.
    plain = structlog.dev.plain_traceback
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    if form == "json":
        before.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        "foreign_pre_chain": before,
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structured": formatter},
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "loggers": {name: {"level": "WARNING"} for name in CHATTY},
            "root": {"handlers": ["console"], "level": level},
        }
    )
