"""Settings of alarms, logs and the budget."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.settings.section import Email, Section

Retention = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365]
"""Days that CloudWatch Logs offers (PutRetentionPolicy, retentionInDays)."""


class MonitoringSettings(Section):
    """Who is told what, and when."""

    emails: Annotated[list[Email], Field(min_length=1)]
    """Who is told. Each must confirm the subscription that AWS sends."""

    budget_usd: Annotated[float, Field(gt=0)]
    """Monthly cost at which AWS Budgets warns (80 %, and 100 % forecast), US dollars."""

    log_retention_days: Retention = 14
    """How long logs are kept, days."""

    dead_letters: Annotated[int, Field(ge=0)] = 0
    """Messages a dead letter queue may hold before the alarm."""

    no_progress_minutes: Annotated[int, Field(ge=5, le=120)] = 15
    """A crawl with work left and no page done for this long is an alarm."""

    under_target_minutes: Annotated[int, Field(ge=5, le=120)] = 15
    """A fleet below its target for this long is an alarm."""
