"""List prices, read from the one file that has them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from review.errors import ReviewError

FILE = Path(__file__).with_name("prices.toml")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Table):
    """Where a price stands, and when it stood there."""

    title: str
    url: str
    date: date
    confirmed: bool = True


class Unit(_Table):
    """A price of something."""

    usd: float = Field(gt=0)
    source: str


class _Spot(_Table):
    share_of_on_demand: float = Field(gt=0, le=1)
    source: str


class _OnDemand(_Table):
    source: str
    usd: dict[str, float]


class _File(_Table):
    region: str
    hours_a_month: int
    spot: _Spot
    sources: dict[str, Source]
    units: dict[str, Unit]
    on_demand: _OnDemand

    @model_validator(mode="after")
    def _sources_exist(self) -> _File:
        named = {unit.source for unit in self.units.values()} | {self.spot.source, self.on_demand.source}
        if missing := named - self.sources.keys():
            raise ValueError(f"no source named {', '.join(sorted(missing))}")
        return self


@dataclass(frozen=True)
class Prices:
    """Prices of one region, US dollars."""

    file: _File

    @property
    def spot_share(self) -> float:
        """What spot is assumed to cost, as a share of on demand."""
        return self.file.spot.share_of_on_demand

    def hourly(self, instance_type: str) -> float | None:
        """An hour on demand; None where the file does not know the type."""
        return self.file.on_demand.usd.get(instance_type)

    def month(self, unit: str) -> float:
        """A month of a unit; of one priced by the hour, all of its hours."""
        usd = self.file.units[unit].usd
        return usd * self.file.hours_a_month if unit.endswith("_hour") else usd

    @property
    def hours(self) -> int:
        """Hours of a month, as AWS' own calculator counts."""
        return self.file.hours_a_month

    def confirmed(self, unit: str) -> bool:
        """Whether the unit's price was found on a page that could be read."""
        return self.file.sources[self.file.units[unit].source].confirmed


def load(path: Path = FILE) -> Prices:
    """The prices of a file.

    Raises:
        ReviewError: the file is not what it should be.
    """
    try:
        return Prices(_File.model_validate(tomllib.loads(path.read_text("utf-8"))))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as e:
        raise ReviewError(f"{path.name}: {e}") from None
