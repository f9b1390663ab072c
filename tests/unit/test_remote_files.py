"""Files over HTTP: bounded, kept by their content, and not from where a stranger must not reach."""

import http.server
import threading

import pytest

from gitops import rendering
from gitops.adapters.folder import folder_tree
from gitops.adapters.http_get import HttpReader, Way, origin
from gitops.adapters.remote_files import RemoteFiles
from gitops.config import reads_remote_files
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import ConfigError, SourceError
from gitops.model.revision import MAX_FILE_BYTES, Tree
from renderers.kustomize.render import render_folder
from renderers.result import REMOTE_FILE, Context, Needs, Remote

OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n"


class Server(http.server.ThreadingHTTPServer):
    """Serves what `files` holds, and notes what is asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {}, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("If-None-Match")))
        status, headers, data = self.server.files.get(self.path.partition("?")[0], (404, {}, b""))
        if headers.get("ETag") and headers["ETag"] == self.headers.get("If-None-Match"):
            status, data = 304, b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def files(tmp_path):
    return RemoteFiles(tmp_path / "http", HttpReader("anywhere"))


def content(tree):
    return tree.read(REMOTE_FILE)


def test_what_came_through_somebodys_proxy_is_given_to_nobody_else(server, tmp_path):
    server.files["/a.yaml"] = 200, {"ETag": '"1"'}, OBJECT
    server.files[f"{server.url}/a.yaml"] = 200, {"ETag": '"1"'}, b"forged: true\n"  # as it is asked as a proxy
    forger = RemoteFiles(tmp_path / "http", HttpReader("anywhere", Way(proxy=server.url)))
    assert content(forger.tree(server.url + "/a.yaml")) == b"forged: true\n"
    assert content(RemoteFiles(tmp_path / "http", HttpReader("anywhere")).tree(server.url + "/a.yaml")) == OBJECT


def test_a_file_that_is_the_same_is_not_sent_again(server, files):
    server.files["/a.yaml"] = 200, {"ETag": '"1"'}, OBJECT
    assert content(files.tree(server.url + "/a.yaml")) == OBJECT
    assert content(files.tree(server.url + "/a.yaml")) == OBJECT
    assert server.asked == [("/a.yaml", None), ("/a.yaml", '"1"')]
    server.files["/a.yaml"] = 200, {"ETag": '"2"'}, b"other"
    assert content(files.tree(server.url + "/a.yaml")) == b"other"


def test_a_redirect_is_followed_and_a_circle_is_not(server, files):
    server.files["/a.yaml"] = 302, {"Location": "/b.yaml?token=x"}, b""
    server.files["/b.yaml"] = 200, {}, OBJECT
    server.files["/c.yaml"] = 302, {"Location": "/c.yaml"}, b""
    assert content(files.tree(server.url + "/a.yaml")) == OBJECT
    with pytest.raises(SourceError, match="more than 5 redirects"):
        files.tree(server.url + "/c.yaml")


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(MAX_FILE_BYTES + 1)}])
def test_a_file_without_end_is_not_read_to_its_end(server, files, headers):
    server.files["/a.yaml"] = 200, headers, b"x" * (MAX_FILE_BYTES + 1)
    with pytest.raises(SourceError, match="larger than 16 MiB"):
        files.tree(server.url + "/a.yaml")


def test_an_error_shows_no_query(server, files):
    with pytest.raises(SourceError) as error:
        files.tree(server.url + "/gone.yaml?token=secret")
    assert "the server answered 404" in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/a.yaml", "over https only"),
        ("https://127.0.0.1/a.yaml", "not a public address"),
        ("https://169.254.169.254/a.yaml", "not a public address"),
        ("https://localhost/a.yaml", "not a public address"),
        ("https://user:secret@example.com/a.yaml", "a user in a URL is not sent"),
        ("https://example.com/a b.yaml", "no URL that is read"),
        ("https://exa\nmple.com/a.yaml", "no URL that is read"),
    ],
)
def test_a_controller_reads_nothing_from_where_only_it_can_reach(tmp_path, url, why):
    with pytest.raises(SourceError, match=why) as error:
        RemoteFiles(tmp_path, HttpReader("public")).tree(url)
    assert "secret" not in str(error.value)


# --- in a build ---------------------------------------------------------------------------------------------------


def test_a_build_asks_for_files_and_takes_them_for_no_repository():
    url = "https://example.com/download/v1/crds.yaml"
    tree = Tree.of_files({"kustomization.yaml": f"resources: [{url}]\nnamePrefix: a-\n"})
    assert render_folder(tree, "", Context()) == Needs((Remote(url, kind="file"),))
    remotes = {Remote(url, kind="file"): Tree.of_files({REMOTE_FILE: OBJECT})}
    (manifest,) = render_folder(tree, "", Context(remotes=remotes)).manifests
    assert manifest.body["metadata"]["name"] == "a-far"


def test_what_is_wrong_with_a_file_is_told_of_the_file():
    url = "https://example.com/crds.yaml"
    tree = Tree.of_files({"kustomization.yaml": f"resources: [{url}]\n"})
    remotes = {Remote(url, kind="file"): Tree.of_files({REMOTE_FILE: b"<html>"})}
    with pytest.raises(Exception, match="expected a Kubernetes object"):
        render_folder(tree, "", Context(remotes=remotes))


def test_a_path_is_rendered_with_a_file_from_a_server(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server.files["/a.yaml"] = 200, {}, OBJECT
    (tmp_path / "app").mkdir()
    (tmp_path / "app/kustomization.yaml").write_text(f"resources: ['{server.url}/a.yaml']\n")
    tree, path = folder_tree(tmp_path / "app")
    (manifest,) = rendering.render_path(tree, path).manifests
    assert manifest.body["metadata"]["name"] == "far"
    app = Application("app", source=SourceSpec(path=path))
    with pytest.raises(SourceError, match="over https only"):
        rendering.render(tree, app)
    monkeypatch.setenv("GITOPS_REMOTE_FILES", "off")
    with pytest.raises(SourceError, match="switched off here"):
        rendering.render_path(tree, path)


def test_a_switch_is_on_or_off(monkeypatch):
    monkeypatch.setenv("GITOPS_REMOTE_FILES", "no")
    with pytest.raises(ConfigError, match="expected on or off, got no"):
        reads_remote_files()


@pytest.mark.parametrize(
    ("url", "other", "is_same"),
    [
        ("https://git.example.com/a", "https://git.example.com:443/b?c", True),
        ("http://git.example.com", "http://git.example.com:80/", True),
        ("https://git.example.com", "https://ada:secret@GIT.example.com", True),
        ("https://git.example.com", "http://git.example.com", False),
        ("https://git.example.com", "https://git.example.com:8443", False),
        ("https://git.example.com", "https://example.com", False),
        ("https://git.example.com", "https://git.example.com:none", False),
    ],
)
def test_credentials_are_for_one_server_and_its_usual_port_may_be_written_or_not(url, other, is_same):
    assert (origin(url) == origin(other)) is is_same
