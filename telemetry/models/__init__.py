"""What meters measured, and when their circuits are to be switched off for it."""

from telemetry.models.limits import Limit
from telemetry.models.readings import (
    Bucket,
    DiscardedSpan,
    FiveMinutes,
    Hour,
    LateSpan,
    Reading,
    RollupState,
    Series,
)

__all__ = ["Bucket", "DiscardedSpan", "FiveMinutes", "Hour", "LateSpan", "Limit", "Reading", "RollupState", "Series"]
