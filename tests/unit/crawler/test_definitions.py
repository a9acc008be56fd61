"""What a person writes: shop definitions and environment variables. Each mistake is one line that says what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from crawler.errors import ConfigError
from crawler.settings import STAGES, Stage, read_settings
from crawler.shops import read_shop, read_shops

WORKERS = Path(__file__).resolve().parents[3] / "workers"
GOOD = 'name = "tiny"\nseeds = ["https://tiny.example/"]\n'


def shop_file(folder: Path, text: str, name: str = "tiny") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_definition_has_polite_defaults(tmp_path: Path) -> None:
    shop = read_shop(shop_file(tmp_path, GOOD))
    assert (shop.hosts, shop.delay_s, shop.every_hours) == (("tiny.example",), 1.0, 24)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "dely_s = 1\n", ["dely_s", "did you mean 'delay_s'"]),
        (GOOD + '[selectors]\nitem = "p"\nprise = "b"\n', ["selectors.prise", "did you mean 'price'"]),
        ('name = "tiny"\n', ["seeds", "at least one"]),
        ('name = "tiny"\nseeds = []\n', ["seeds", "at least one"]),
        ('name = "tiny"\nseeds = ["tiny.example"]\n', ["seeds", "'tiny.example'", "absolute"]),
        (GOOD + 'include = ["(p"]\n', ["include", "'(p'", "regular expression"]),
        (GOOD + 'exclude = ["*"]\n', ["exclude", "regular expression"]),
        (GOOD + 'delay_s = "fast"\n', ["delay_s", "float"]),
        (GOOD + "delay_s = -1\n", ["delay_s", ">= 0"]),
        (GOOD + 'currency = "pounds"\n', ["currency"]),
        (GOOD + "max_depth = 1.5\n", ["max_depth"]),
        (GOOD + '[selectors]\nname = "h1"\n', ["selectors", "item"]),
        (GOOD + '[selectors]\nitem = "p["\n', ["selectors.item", "CSS"]),
        (GOOD + '[selectors]\nitem = "p"\nin_stock = "("\n', ["selectors.in_stock", "regular expression"]),
        (GOOD + '[selectors]\nitem = "p"\nname = "h1::text"\n', ["selectors.name", "::attr"]),
        (GOOD.replace("tiny", "other", 1), ["name", "'other'", "'tiny'"]),
        (GOOD + "hosts = [\n", ["not TOML"]),
        ("name = 'Tiny Shop'\nseeds = ['https://t.example/']\n", ["name"]),
    ],
)
def test_a_wrong_definition_is_one_line_with_file_and_key(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    path = shop_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_shop(path)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in [str(path), *words]), line


def test_a_missing_folder_of_definitions_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.*TRAWLER_SHOPS_DIR"):
        read_shops(tmp_path / "nowhere")


ENVIRONMENT = {
    **{f"TRAWLER_{stage.upper()}_QUEUE_URL": f"https://sqs/{stage}" for stage in STAGES},
    "TRAWLER_DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "TRAWLER_FRONTIER_TABLE": "frontier",
    "TRAWLER_ITEMS_TABLE": "items",
    "TRAWLER_PAGES_BUCKET": "pages",
    "TRAWLER_USER_AGENT": "Bot/1",
    "AWS_REGION": "eu-west-1",
}


@pytest.mark.parametrize(
    ("stage", "variable"),
    [
        ("plan", "TRAWLER_FETCH_QUEUE_URL"),
        ("fetch", "TRAWLER_USER_AGENT"),
        ("fetch", "TRAWLER_PAGES_BUCKET"),
        ("parse", "TRAWLER_STORE_QUEUE_URL"),
        ("store", "TRAWLER_ITEMS_TABLE"),
        ("store", "TRAWLER_DEAD_LETTER_QUEUE_URL"),
        ("plan", "TRAWLER_FRONTIER_TABLE"),
        ("plan", "AWS_REGION"),
    ],
)
def test_a_missing_variable_is_named(stage: Stage, variable: str) -> None:
    assert read_settings(stage, ENVIRONMENT).stage == stage
    with pytest.raises(ConfigError, match=variable):
        read_settings(stage, {name: value for name, value in ENVIRONMENT.items() if name != variable})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRAWLER_VISIBILITY_S", "soon"),
        ("TRAWLER_VISIBILITY_S", "50000"),
        ("TRAWLER_WINDOW", "0"),
        ("TRAWLER_MAX_ATTEMPTS", "-1"),
        ("TRAWLER_PRIVATE_HOSTS", "localhost"),
    ],
)
def test_a_variable_out_of_range_is_named_with_its_bounds(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable}.*{value}"):
        read_settings("fetch", {**ENVIRONMENT, variable: value})


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "crawler", *arguments],
        cwd=WORKERS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_check_names_every_wrong_file_and_exits_2(tmp_path: Path) -> None:
    shop_file(tmp_path, GOOD)
    assert run("check", "--shops", str(tmp_path)).returncode == 0
    shop_file(tmp_path, GOOD, "wrong")
    shop_file(tmp_path, "name = 3", "worse")
    done = run("check", TRAWLER_SHOPS_DIR=str(tmp_path))
    assert done.returncode == 2
    assert [line.rpartition(".toml")[0].rpartition("/")[2] for line in done.stderr.splitlines()] == [
        "worse",
        "wrong",
    ]


def test_a_worker_without_its_environment_says_what_is_missing_and_exits_2() -> None:
    done = run("store")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "crawler store: TRAWLER_STORE_QUEUE_URL is not set: store works with the store queue\n"
    )
