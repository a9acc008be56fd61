"""A site of saved real pages, served from a folder laid out like the site's own paths."""

from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, unquote

import msgspec

from local.shops import definitions
from local.shops.answer import Answer, failure
from local.shops.truth import ItemTruth, ShopTruth

_T = TypeVar("_T")

_CONTENT_TYPES: Final = {".html": "text/html", ".txt": "text/plain", ".xml": "application/xml"}


class SavedPagesError(Exception):
    """The folder of saved pages cannot be served; the message says why."""


class _Row(msgspec.Struct):
    """A line of truth.jsonl: what is known of one saved product page."""

    path: str
    name: str
    name_also: list[str] = []
    price: str | None = None
    price_also: list[str] = []
    currency: str | None = None
    availability: str | None = None
    image: str | None = None
    image_also: list[str] = []
    brand: list[str] | str | None = None
    sku: list[str] | str | None = None
    category: str | None = None


class _Listed(msgspec.Struct):
    """A line of manifest.jsonl: one saved page."""

    site: str
    path: str


class SavedSite:
    """Answers for the pages in `folder` at `base`; truth.jsonl and manifest.jsonl stand beside the folder.

    Raises:
        SavedPagesError: the folder, its index.html or its truth is missing or cannot be read.
    """

    def __init__(self, folder: Path, base: str) -> None:
        self.name = "books"
        if not (folder / "index.html").is_file():
            raise SavedPagesError(f"no saved pages in {folder}")
        self._folder = folder.resolve()
        self._base = base
        self._truth = self._read_truth()

    def key(self, target: str) -> str:
        return target.partition("?")[0]

    def answer(self, target: str, earlier: int) -> Answer:  # noqa: ARG002 (saved pages do not change)
        file = self._file(self.key(target))
        if file is None:
            return failure(HTTPStatus.NOT_FOUND, "Not Found")
        return Answer(
            body=file.read_bytes(), content_type=_CONTENT_TYPES.get(file.suffix, "application/octet-stream")
        )

    def truth(self) -> ShopTruth:
        return self._truth

    def _file(self, path: str) -> Path | None:
        """The file at `path`, or None where there is none inside the folder."""
        plain = unquote(path)
        parts = plain.split("/")
        if ".." in parts or "\0" in plain or "\\" in plain:
            return None
        try:
            file = self._folder.joinpath(*[part for part in parts if part]).resolve()
            if plain.endswith("/"):
                file = file / "index.html"
            # After links are resolved: one may point out of the folder.
            return file if file.is_relative_to(self._folder) and file.is_file() else None
        except OSError:  # a name longer than the file system takes
            return None

    def _read_truth(self) -> ShopTruth:
        prefix = f"{self._folder.name}/"
        rows = self._lines("truth.jsonl", _Row)
        pages = [row for row in self._lines("manifest.jsonl", _Listed) if row.site == self._folder.name]
        return ShopTruth(
            shop=self.name,
            base=self._base,
            delay_s=definitions.delay_s(self.name),
            pages=len(pages),
            items=tuple(
                self._item(row, row.path.removeprefix(prefix)) for row in rows if row.path.startswith(prefix)
            ),
            images_by="file_name",
        )

    def _lines(self, name: str, kind: type[_T]) -> list[_T]:
        path = self._folder.parent / name
        try:
            return msgspec.json.Decoder(kind).decode_lines(path.read_bytes())
        except OSError as error:
            raise SavedPagesError(f"{path}: cannot be read: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise SavedPagesError(f"{path}: {error}") from error

    def _item(self, row: _Row, path: str) -> ItemTruth:
        skus, brands = _several(row.sku), _several(row.brand)
        unknown = {
            "brand": brands,
            "currency": row.currency,
            "availability": row.availability,
            "category": row.category,
        }
        return ItemTruth(
            sku=skus[0] if skus else "",
            sku_also=skus[1:],
            url=self._base + quote(path),
            name=row.name,
            name_also=tuple(row.name_also),
            brand=brands[0] if brands else None,
            brand_also=brands[1:],
            price=row.price,
            price_also=tuple(row.price_also),
            currency=row.currency,
            availability=msgspec.convert(row.availability, ItemTruth.__annotations__["availability"]),
            images=(row.image,) if row.image else (),
            images_also=tuple(row.image_also),
            category=row.category,
            unscored=tuple(name for name, value in unknown.items() if not value),
        )


def _several(value: list[str] | str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
