"""A Marathon that asks for credentials."""

import base64
import json
from pathlib import Path

import pytest

from local.mesos.rest.credentials import Credentials, CredentialsError, read_credentials
from tests.unit.local_mesos.support import Cluster, a_cluster

ASKED = Credentials("trawler", "s3cret:with-colon")


async def _status(cluster: Cluster, path: str, header: str | None) -> int:
    headers = {} if header is None else {"Authorization": header}
    return (await cluster.call("GET", path, headers=headers)).status


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


async def test_every_address_asks_and_says_how(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, credentials=ASKED) as cluster:
        for path in ("/ping", "/v2/apps", "/v2/leader", "/no-such"):
            answer = await cluster.call("GET", path)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="Mesosphere"'
            assert answer.headers["Content-Type"].startswith("text/html")
        right = _basic("trawler:s3cret:with-colon")
        assert await _status(cluster, "/ping", right) == 200
        assert await _status(cluster, "/v2/apps", right.replace("Basic", "basic")) == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ???",
        "Bearer abc",
        _basic("trawler:wrong"),
        _basic("trawler:"),
        _basic("s3cret:trawler"),
    ],
)
async def test_anything_else_is_refused(tmp_path: Path, header: str) -> None:
    async with a_cluster(tmp_path, machines=0, credentials=ASKED) as cluster:
        assert await _status(cluster, "/v2/apps", header) == 401


def test_a_file_without_credentials_is_told_by_name_and_never_quoted(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    wrong = ["[]", "{}", '{"username": "trawler"}', "hunter2", '{"username": "", "password": "hunter2"}']
    for text in (
        *wrong,
        '{"username": "a:b", "password": "hunter2"}',
        '{"username": 1, "password": "hunter2"}',
    ):
        path.write_text(text)
        with pytest.raises(CredentialsError, match=str(path)) as refused:
            read_credentials(path)
        assert "hunter2" not in str(refused.value)
    with pytest.raises(CredentialsError, match="No such file"):
        read_credentials(tmp_path / "missing.json")
    path.write_text(json.dumps({"username": ASKED.username, "password": ASKED.password}))
    assert read_credentials(path) == ASKED
    assert ASKED.password not in repr(ASKED)
