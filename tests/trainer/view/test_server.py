import os
import socket

import pytest
from fastapi.testclient import TestClient

from rewards.errors import ConfigError
from trainer.view.server import PAGE, bind, make_app


@pytest.fixture(scope="module")
def folder(made_run, tmp_path_factory):
    return made_run.copied(tmp_path_factory.mktemp("served")).folder


@pytest.fixture
def client(folder):
    return TestClient(make_app(folder), base_url="http://127.0.0.1")


def test_a_filter_reaches_the_episodes(client):
    asked = {"env": "Weather", "low": 1, "stage": "grpo", "limit": 5}
    found = client.get("/api/episodes", params=asked).json()
    assert found["total"] > 0
    assert all((r["env"], r["value"], r["stage"]) == ("postgym/Weather-v0", 1.0, "grpo") for r in found["rows"])
    assert len(found["rows"]) <= 5


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/episodes/step-00000/999", 404, "has no episode step-00000#999"),
        ("/api/episodes?status=eror", 404, "no status 'eror'"),
        ("/api/task?id=x", 404, "no held-out task 'x'"),
        ("/api/episodes?limit=100000", 422, "less than or equal to 200"),
        ("/api/episodes/..%2Fconfig/0", 404, ""),
        ("/page/../data.py", 404, ""),
        ("/page/%2e%2e/data.py", 404, ""),
    ],
)
def test_what_is_not_there_is_said_and_nothing_outside_is_served(client, path, status, said):
    answer = client.get(path)
    assert answer.status_code == status
    assert said in answer.text


def test_a_damaged_file_is_an_error_by_name(client, folder):
    path = folder / "trajectories" / "step-00000.parquet"
    client.get("/api/episodes")
    whole, stat = path.read_bytes(), path.stat()
    middle = len(whole) // 2
    try:
        path.write_bytes(whole[:200] + bytes(middle) + whole[200 + middle :])
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as if the disk had rotted
        answer = client.get("/api/episodes/step-00000/0")
        assert answer.status_code == 500
        assert "step-00000.parquet" in answer.json()["error"]
    finally:
        path.write_bytes(whole)


def test_every_answer_forbids_what_is_not_the_page_s_own(client):
    for path in ("/", "/page/app.js", "/api/run", "/api/task?id=x"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_a_foreign_name_that_points_here_is_refused(client):
    assert client.get("/api/run", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/api/run", headers={"host": "localhost:8642"}).status_code == 200


def test_the_page_needs_nothing_from_elsewhere_and_parses_no_html():
    for path in PAGE.iterdir():
        text = path.read_text()
        assert "https://" not in text
        assert text.count("http://") == text.count("http://www.w3.org/2000/svg"), path.name
        for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc"):
            assert danger not in text, path.name


def test_there_is_nothing_that_writes(client):
    for path in ("/api/run", "/api/episodes", "/api/episodes/step-00000/0"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert client.request(method, path).status_code == 405


def test_a_taken_port_names_the_mend():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"can't listen on 127.0.0.1:{port} .*choose another with --port"):
            bind("127.0.0.1", port)
    with pytest.raises(ConfigError, match="--port 99999 is no port"):
        bind("127.0.0.1", 99999)
    with bind("127.0.0.1", 0) as free:
        assert free.getsockname()[1] > 0
