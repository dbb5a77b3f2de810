"""Manifests of containers and units say what the code says: commands, ports, paths, images, users, environment."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from crossward.cli.deploy import deploy
from crossward.deploy.environment import environment
from crossward.deploy.hospital import HospitalConfig

ROOT = Path(__file__).parents[3]
COMPOSE = sorted((ROOT / "deploy" / "docker").glob("compose.*.yaml"))
KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").rglob("*.yaml"))
OTHERS = [ROOT / "deploy" / "gateway" / "kustomization.yaml"]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
NGINX = (ROOT / "deploy" / "gateway" / "nginx.conf").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text(encoding="utf-8")
GUIDES = [ROOT / "docs" / "hospital.md", ROOT / "docs" / "aggregator.md"]
QUIET = ("FLWR_TELEMETRY_ENABLED", "FLWR_DISABLE_UPDATE_CHECK", "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION")
UID = "49999"  # of the official images' user app
CPU_ONLY = {"compose.gpu.yaml"}  # files that only add to another


def _load(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def _services(path: Path) -> dict[str, dict[str, Any]]:
    (file,) = _load(path)
    services = dict(file["services"])
    for name, service in services.items():
        if base := service.get("extends"):
            services[name] = _services(path.with_name(base["file"]))[base["service"]] | service
    return services


def _whole() -> Iterator[Any]:
    for path in COMPOSE:
        if path.name not in CPU_ONLY:
            for name, service in _services(path).items():
                yield pytest.param(service, id=f"{path.name}:{name}")


def _pods() -> Iterator[Any]:
    for path in KUBERNETES:
        for one in _load(path):
            if one["kind"] == "StatefulSet":
                yield pytest.param(one["spec"], id=one["metadata"]["name"])


def _command(words: list[str]) -> None:
    """Whether ``crossward deploy`` takes these words; click raises where it does not."""
    group = typer.main.get_command(deploy)
    assert isinstance(group, click.Group)
    name, command, rest = group.resolve_command(group.make_context("crossward deploy", words), words)
    assert command is not None
    command.make_context(name, rest)


def _mount(text: str) -> tuple[str, str, str]:
    source, target, mode = re.fullmatch(r"(\$\{[^}]*\}[^:]*|[^:]*):([^:]*)(?::(.*))?", text).groups()  # type: ignore[union-attr]
    return source, target, mode or ""


@pytest.mark.parametrize("path", [*COMPOSE, *KUBERNETES, *OTHERS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_parses_and_every_file_that_it_names_is_there(path: Path) -> None:
    (*_, last) = _load(path)
    named = [one for key in ("resources", "components") for one in last.get(key, []) if last["kind"] == "Kustomization"]
    named += [file for made in last.get("configMapGenerator", []) for file in made["files"]]
    for one in last.get("services", {}).values():
        named += [one["extends"]["file"]] if "extends" in one else []
        named += [_mount(text)[0] for text in one.get("volumes", []) if text.startswith("..")]
        built = one.get("build", {})
        named += [f"{built['context']}/{built['dockerfile']}"] if "context" in built else []
    for name in named:
        assert (path.parent / name).exists(), name


def test_no_manifest_holds_a_secret_or_the_name_of_a_floating_image() -> None:
    for path in [*COMPOSE, *KUBERNETES, *OTHERS]:
        text = path.read_text(encoding="utf-8")
        assert "PRIVATE KEY" not in text and "kind: Secret" not in text and "stringData" not in text, path
        assert ":latest" not in text, path
        for image in re.findall(r"^\s*image: (\S+)", text, re.MULTILINE):
            assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+(-[\w.]+)?", image) or image == "crossward", image
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    for path in KUBERNETES:
        for one in _load(path):
            for image in one.get("images", []):
                assert image["newTag"] == version[1]


def test_the_image_extends_the_flower_and_python_that_the_project_asks_for() -> None:
    image = re.search(
        r"^ARG FLOWER_IMAGE=flwr/\w+:((\d+\.\d+)\.\d+)-py(3\.\d+)-ubuntu24\.04$", DOCKERFILE, re.MULTILINE
    )
    assert image is not None
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"flwr[simulation]>={image[2]}," in project
    assert image[3] in ("3.11", "3.12")
    from crossward.launcher.install import RUN, TORCH

    assert f"COPY {RUN} requirements/\n" in DOCKERFILE and f"--no-deps --require-hashes -r {RUN} " in DOCKERFILE
    assert f"\nflwr=={image[1]} " in (ROOT / RUN).read_text(encoding="utf-8"), (
        "the image's Flower is not the locked one"
    )
    assert f'ARG TORCH="{TORCH} ' in DOCKERFILE
    assert DOCKERFILE.rindex(f"USER {UID}:{UID}") > DOCKERFILE.rindex("USER 0")
    assert 'ENTRYPOINT ["python", "-m", "crossward", "deploy"]' in DOCKERFILE


def test_what_flower_is_told_is_what_the_keepers_tell_it() -> None:
    message = environment(Path("/home"))
    for name in QUIET:
        assert f"{name}={message[name]}" in DOCKERFILE
    for path in [*COMPOSE, *KUBERNETES]:
        text = path.read_text(encoding="utf-8")
        for name in QUIET if "FLWR_" in text else ():
            assert re.search(rf'{name}(: |, value: )"{message[name]}"', text), f"{path}: {name}"


@pytest.mark.parametrize("service", list(_whole()))
def test_a_service_runs_without_rights_on_a_file_system_that_it_cannot_change(service: dict[str, Any]) -> None:
    assert service["user"] == f"{UID}:{UID}"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["restart"] == "unless-stopped"
    for _, target, mode in map(_mount, service["volumes"]):
        assert mode == ("" if target == "/state" else "ro"), target
    if "command" in service:
        _command(service["command"])
        assert service["healthcheck"]["test"][:5] == ["CMD", "python", "-m", "crossward", "deploy"]
        _command(service["healthcheck"]["test"][5:])
        assert Path(service["command"][1]).parent in {Path(_mount(one)[1]) for one in service["volumes"]}
        assert "ports" not in service  # the SuperLink's port, and the SuperNode's, are nobody's but their machine's


def test_the_local_file_has_an_aggregator_and_four_hospitals_out_of_reach_of_the_superlink() -> None:
    services = _services(ROOT / "deploy" / "docker" / "compose.local.yaml")
    hospitals = [name for name, one in services.items() if one.get("command", [""])[0] == "hospital"]
    assert hospitals == [f"hospital-{number}" for number in range(1, 5)]
    assert all(services[name]["networks"] == ["outside"] for name in hospitals)
    assert set(services["aggregator"]["networks"]) == {"inside"}
    (file,) = _load(ROOT / "deploy" / "docker" / "compose.local.yaml")
    assert file["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("path", [one for one in COMPOSE if "gateway" in one.read_text()], ids=lambda path: path.name)
def test_the_gateway_knows_the_superlink_by_a_fixed_address(path: Path) -> None:
    services = _services(path)
    address = services["aggregator"]["networks"]["inside"]["ipv4_address"]
    assert services["gateway"]["extra_hosts"] == [f"superlink:{address}"]
    assert services["gateway"]["networks"]["inside"]["ipv4_address"] != address


@pytest.mark.parametrize("spec", list(_pods()))
def test_a_pod_runs_without_rights_and_its_keys_are_private(spec: dict[str, Any]) -> None:
    pod = spec["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert str(pod["securityContext"]["runAsUser"]) == UID
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] >= 30  # the keeper gives each of two processes ten seconds
    assert spec["replicas"] == 1
    (init,) = pod["initContainers"]
    assert "chmod 600" in init["command"][-1]
    volumes = {one["name"]: one for one in [*pod["volumes"], *(t["metadata"] for t in spec["volumeClaimTemplates"])]}
    secrets = {name for name, one in volumes.items() if "secret" in one}
    for container in [*pod["containers"], *pod["initContainers"]]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True and context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert set(mounts.values()) <= volumes.keys()
        assert container is init or not secrets & set(mounts.values())
        if "args" in container:
            _command(container["args"])
            assert str(Path(container["args"][1]).parent) in mounts and "/state" in mounts
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if "exec" in container.get(probe, {}):
                words = container[probe]["exec"]["command"]
                assert words[:4] == ["python", "-m", "crossward", "deploy"]
                _command(words[4:])


def test_ports_agree_from_the_service_to_the_superlink() -> None:
    assert "listen 8443 ssl;" in NGINX and "server superlink:9092;" in NGINX
    by_kind = {one["kind"]: one for path in KUBERNETES if path.parent.name == "aggregator" for one in _load(path)}
    (port,) = by_kind["Service"]["spec"]["ports"]
    gateway = by_kind["StatefulSet"]["spec"]["template"]["spec"]["containers"][1]
    assert port["targetPort"] == gateway["ports"][0]["name"] and gateway["ports"][0]["containerPort"] == 8443
    assert by_kind["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == 8443
    policies = [one for path in KUBERNETES if path.parent.name == "hospital" for one in _load(path)]
    (policy,) = [one["spec"] for one in policies if one["kind"] == "NetworkPolicy"]
    assert policy["ingress"] == [] and policy["egress"][0]["ports"][0]["port"] == port["port"]
    for path in COMPOSE:
        for text in _services(path).get("gateway", {}).get("ports", []):
            assert text.endswith(":8443")
    assert HospitalConfig.__dataclass_fields__["port"].default == 9094


def _paths(router: str) -> list[str]:
    """Paths that one of Flower's routers serves, read from its source: importing it takes seconds."""
    found = importlib.util.find_spec("flwr")
    assert found is not None and found.submodule_search_locations
    source = Path(found.submodule_search_locations[0], "superlink", "routers", router, "router.py").read_text("utf-8")
    (prefix,) = re.findall(r'prefix="(.+)"', source)
    paths = [prefix + path for path in re.findall(r'^@router\.\w+\("(.+?)"', source, re.MULTILINE)]
    assert paths
    return paths


def test_the_gateway_passes_on_the_fleets_paths_and_nothing_else() -> None:
    (text,) = re.findall(r'"~(\^/v1/fleet.*\$)" 1;', NGINX)
    allowed = re.compile(text)
    fleet, control = _paths("fleet"), _paths("control")
    assert len(fleet) >= 12 and all(allowed.fullmatch(path) for path in fleet)
    tries = [
        *control,
        "/v1/fleet/../control/start-run",
        "/v1/fleet/%2e%2e/control/start-run",
        *_paths("../../supercore/routers/runtime"),
    ]
    tries += ["//v1/control/start-run", "/v1/fleet/", "/v1/fleet/pull-messages?x", "/v1/fleet/x/../../control/y"]
    assert not any(allowed.fullmatch(path) for path in tries)
    assert set(re.findall(r"location (\S+ ?\S*) \{", NGINX)) == {"/v1/fleet/", "= /health", "/"}
    assert re.search(r"location / \{\s+return 403;", NGINX)
    for line in ("proxy_ssl_verify on;", "client_max_body_size 0;", "proxy_request_buffering off;"):
        assert line in NGINX


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_there_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for setting in ("Restart=always", "User=crossward", "NoNewPrivileges=yes", "UMask=0077"):
        assert setting in text.splitlines()
    (line,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    words = shlex.split(line)
    if path.stem == "crossward-gateway":
        assert "nginx -e stderr -c /etc/crossward/nginx.conf" in line
        return
    assert words[:2] == ["/opt/crossward/.venv/bin/crossward", "deploy"]
    _command(words[2:])
    assert "KillMode=mixed" in text.splitlines()  # the keeper ends its processes in order


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_the_guides_name_commands_that_there_are(path: Path) -> None:
    known = set(typer.main.get_command(deploy).commands)  # type: ignore[attr-defined]
    named = re.findall(r"crossward deploy ([a-z][a-z-]*)", path.read_text(encoding="utf-8"))
    assert len(named) > 3 and set(named) <= known
