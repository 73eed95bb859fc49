from pathlib import Path

import pytest

from core.config import Config, load_config
from core.errors import ConfigError
from core.secrets import read_secret

TOP = Path(__file__).parent.parent.parent


def load(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load_config(file, environ or {})


def test_the_shipped_configuration_says_what_the_defaults_are(tmp_path: Path) -> None:
    shipped = load_config(TOP / "config.yaml", {})
    defaults = load(tmp_path, "roots: {dataset: ./dataset}")
    assert shipped.model_dump(exclude={"roots", "store", "state"}) == defaults.model_dump(
        exclude={"roots", "store", "state"}
    )
    assert shipped.store == f"lancedb:{TOP}/var/index"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path, "{roots: {a: pics}, state: s, store: 'lancedb:i', model: {weights: w.pth}}"
    )
    assert config.roots == {"a": tmp_path / "pics"}
    assert config.state == tmp_path / "s"
    assert config.store_path == tmp_path / "i"
    assert config.model.weights == tmp_path / "w.pth"


def test_every_problem_is_told_at_once_with_its_path(tmp_path: Path) -> None:
    text = """
    roots: {Bad Name: ./a, ok: null}
    watch: {settle_seconds: -1, hold_deletions_above: 2}
    web: {port: http, colour: red}
    modle: {}
    """
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    for path in (
        "roots.Bad Name",
        "roots.ok",
        "watch.settle_seconds",
        "watch.hold_deletions_above",
        "web.port",
        "web.colour",
        "modle",
    ):
        assert f"\n  {path}: " in message
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roots: {}", "roots"),
        ("{}", "roots"),
        ("", "roots"),
        ("- a", "must hold settings"),
        ("roots: [", "is no YAML"),
        ("roots: {a: x}\nroots: {b: y}", "twice"),
        ("{roots: {a: x}, store: 'redis:y'}", "store"),
        ("{roots: {a: x, b: x/y}}", "inside roots.a"),
        ("{roots: {a: x, b: x}}", "inside roots.a"),
        ("{roots: {a: .}, store: 'lancedb:./i'}", "inside roots.a"),
        ("{roots: {a: a}, store: 'weaviate://h/name'}", "store: 'name' cannot begin"),
        ("{roots: {a: a}, store: 'weaviate://u:p@h'}", "store: .* WEAVIATE_API_KEY"),
        ("{roots: {a: a}, store: 'weaviate:h'}", "store: "),
        ("{roots: {a: var/state}, state: var/state}", "inside roots.a"),
        ("{roots: {a: x}, model: {device: tpu}}", "model.device"),
        ("{roots: {a: x}, model: {name: ../x}}", "model.name"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, text)


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load_config(tmp_path / "none.yaml", {})


def test_the_environment_overrides_any_value(tmp_path: Path) -> None:
    environ = {
        "LOOKALIKE_STORE": "lancedb:./other",
        "LOOKALIKE_MODEL__DEVICE": "cpu",
        "LOOKALIKE_WEB__ALLOWED_HOSTS": "[a.example]",
        "LOOKALIKE_IGNORE": "['*.gif']",
        "LOOKALIKE_CONFIG": "x",
        "LOOKALIKE_WEIGHTS": "y",
        "LOOKALIKE_WEB_PASSWORD": "secret",
        "LOOKALIKE_WEB_TOKEN_FILE": "/run/token",
    }
    config = load(tmp_path, "{roots: {a: x}, model: {fallback: null}}", environ)
    assert config.store_path == tmp_path / "other"
    assert config.model.device == "cpu"
    assert config.model.fallback is None
    assert config.web.allowed_hosts == ("a.example",)
    assert config.ignore == ("*.gif",)


def test_an_override_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LOOKALIKE_STOR: there is no such setting"):
        load(tmp_path, "roots: {a: x}", {"LOOKALIKE_STOR": "x"})


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    assert read_secret("T", {"T_FILE": str(tmp_path / "token")}) == "s3cret"
    assert read_secret("T", {"T": "direct", "T_FILE": "/none"}) == "direct"
    assert read_secret("T", {}) is None
    with pytest.raises(ConfigError, match="T_FILE"):
        read_secret("T", {"T_FILE": str(tmp_path / "none")})
