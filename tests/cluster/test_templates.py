"""What lies in `cluster/`: valid by its own schema, with a token, nothing public, and of one version throughout."""

from __future__ import annotations

import copy
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cluster.kuberay import RESOURCES

REPOSITORY = Path(__file__).parent.parent.parent
CLUSTER = REPOSITORY / "cluster"
LAUNCHERS = ("aws", "gcp", "on-premise")
MANIFESTS = ("kuberay-cluster", "kuberay-job")
IMAGE = re.compile(r"hypertune:ray(?P<ray>[0-9.]+)-py(?P<python>\d+)")


def loaded(name: str) -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / f"{name}.yaml").read_text())  # type: ignore[no-any-return]


def cluster_spec(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = loaded(name)["spec"]
    return spec.get("rayClusterSpec", spec)  # type: ignore[no-any-return]


def pods(name: str) -> Iterator[dict[str, Any]]:
    spec = cluster_spec(name)
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        yield group["template"]["spec"]


def needs(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs {program}, which is not installed")
    return path


# Valid ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAUNCHERS)
def test_rays_validator_takes_the_launcher_files(name: str) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(loaded(name)))


def test_rays_validator_would_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    with pytest.raises(jsonschema.ValidationError, match="idle_timeout"):
        validate_config(prepare_config({**loaded("aws"), "idle_timeout": 5}))


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_have_only_fields_that_kuberay_knows(name: str) -> None:
    manifest = loaded(name)
    jsonschema.validate(manifest, RESOURCES[manifest["kind"]])
    wrong = copy.deepcopy(manifest)
    wrong["spec"].get("rayClusterSpec", wrong["spec"])["headGroupSpec"]["serviceTyp"] = "ClusterIP"
    with pytest.raises(jsonschema.ValidationError, match="serviceTyp"):
        jsonschema.validate(wrong, RESOURCES[manifest["kind"]])


@pytest.mark.parametrize("name", MANIFESTS)
def test_volumes_that_are_mounted_are_there(name: str) -> None:
    for pod in pods(name):
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]} <= volumes


def test_the_job_and_the_cluster_run_on_the_same_nodes() -> None:
    assert cluster_spec("kuberay-job") == cluster_spec("kuberay-cluster")


def test_the_command_of_the_job_can_be_given_again_by_its_retry() -> None:
    from hypertune.commands.cli import parser

    name, *arguments = shlex.split(loaded("kuberay-job")["spec"]["entrypoint"])
    given = parser().parse_args(arguments)
    assert (name, given.study, given.address, given.or_resume) == ("hypertune", "digits_cnn", "auto", True)
    assert given.out == Path("/results/digits_cnn")
    assert loaded("kuberay-job")["spec"]["backoffLimit"] > 0


def test_the_slurm_script_is_sound() -> None:
    subprocess.run(["bash", "-n", str(CLUSTER / "slurm.sh")], check=True)


def test_shellcheck_finds_nothing_in_the_slurm_script() -> None:
    done = subprocess.run([needs("shellcheck"), str(CLUSTER / "slurm.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_slurm_takes_the_script() -> None:
    sbatch = needs("sbatch")
    if subprocess.run([needs("sinfo")], capture_output=True, check=False).returncode:
        pytest.skip("needs a Slurm controller that answers")
    command = [sbatch, "--test-only", "--nodes=1", "--cpus-per-task=1", str(CLUSTER / "slurm.sh"), "digits_cnn"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_slurm_script_says_how_it_is_used() -> None:
    done = subprocess.run(["bash", str(CLUSTER / "slurm.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: sbatch")


# Identities ----------------------------------------------------------------------------------------------------------


def test_ray_starts_nodes_on_aws_with_the_identities_that_reach_the_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's own launcher and provider, against an imitation of AWS."""
    import boto3
    from moto import mock_aws
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.util import prepare_config

    monkeypatch.setenv("HOME", str(tmp_path))  # the launcher keeps its SSH key there
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        for role in ("head", "worker"):
            boto3.client("iam").create_instance_profile(InstanceProfileName=f"hypertune-{role}")
        config = bootstrap_aws(prepare_config(loaded("aws")))
        provider = AWSNodeProvider(config["provider"], config["cluster_name"])
        for role in ("head", "worker"):
            node = copy.deepcopy(config["available_node_types"][role]["node_config"])
            provider.create_node(node, {"ray-node-type": role}, 1)
        machines = boto3.client("ec2", config["provider"]["region"]).describe_instances()["Reservations"]
        profiles = {machine["Instances"][0]["IamInstanceProfile"]["Arn"].rpartition("/")[2] for machine in machines}
    assert profiles == {"hypertune-head", "hypertune-worker"}


def test_workers_on_google_cloud_have_an_identity_of_the_project_that_reaches_the_bucket() -> None:
    config = loaded("gcp")
    (account,) = config["available_node_types"]["worker"]["node_config"]["serviceAccounts"]
    project = config["provider"]["project_id"]
    assert account["email"] == f"hypertune-worker@{project}.iam.gserviceaccount.com"
    assert account["scopes"] == ["https://www.googleapis.com/auth/cloud-platform"]


def test_the_identities_are_those_that_the_readme_creates() -> None:
    readme = (CLUSTER / "README.md").read_text()
    assert "for name in hypertune-head hypertune-worker; do" in readme
    assert '"iam:PassRole", "Resource": "arn:aws:iam::*:role/hypertune-worker"' in readme
    assert "service-accounts create hypertune-worker" in readme


# Closed --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launchers_ask_for_a_token_on_every_node(name: str) -> None:
    config = loaded(name)
    assert config["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}
    for role in ("head", "worker"):
        starts = [line for line in config[f"{role}_start_ray_commands"] if "ray start" in line]
        assert starts
        assert all("RAY_AUTH_MODE=token" in line for line in starts)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launchers_keep_the_dashboard_to_the_head(name: str) -> None:
    text = (CLUSTER / f"{name}.yaml").read_text()
    assert "--dashboard-host=127.0.0.1" in text
    assert "0.0.0.0" not in text
    assert not re.search(r"IpPermissions|security_group:|firewall", yaml.safe_dump(loaded(name)))


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_ask_for_a_token_and_open_nothing(name: str) -> None:
    spec = cluster_spec(name)
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert spec["headGroupSpec"]["enableIngress"] is False
    for pod in pods(name):
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert not container.get("env"), "a token has no place in a manifest"


def test_the_slurm_script_makes_a_token_that_only_its_user_can_read() -> None:
    text = (CLUSTER / "slurm.sh").read_text()
    assert "umask 077" in text
    assert "RAY_AUTH_MODE=token" in text
    assert "--dashboard-host=127.0.0.1" in text
    commands = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert not any("ray stop" in line for line in commands), "it would end the user's other jobs on the machine"


def test_the_image_asks_for_a_token_and_holds_only_what_it_is_made_from() -> None:
    assert "RAY_AUTH_MODE=token" in (CLUSTER / "Dockerfile").read_text()
    ignored = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert [line for line in ignored if line.startswith("!")] == ["!dist/hypertune_ray-*.whl"]


# Of one version ------------------------------------------------------------------------------------------------------


def arguments_of_the_image() -> dict[str, str]:
    found = re.findall(r"^ARG (\w+)=(.*)$", (CLUSTER / "Dockerfile").read_text(), flags=re.M)
    return dict(found)


def test_ray_and_python_are_the_same_everywhere() -> None:
    ray = arguments_of_the_image()["RAY_VERSION"]
    python = arguments_of_the_image()["PYTHON"].removeprefix("py")
    for path in [*CLUSTER.glob("*.yaml"), CLUSTER / "Dockerfile", CLUSTER / "README.md"]:
        text = path.read_text()
        found = {match.groups() for match in IMAGE.finditer(text)}
        assert found == {(ray, python)}, f"{path.name}: {found}"
        assert set(re.findall(r"rayVersion: \"(.*)\"", text)) <= {ray}, path.name
    readme = (CLUSTER / "README.md").read_text()
    assert f"Ray {ray} on Python {python[0]}.{python[1:]}" in readme
    assert set(re.findall(r"ray\[default\]==([0-9.]+)", readme)) == {ray}


def test_the_cluster_runs_versions_that_the_package_allows() -> None:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    needed = next(need for need in map(Requirement, project["dependencies"]) if need.name == "ray")
    arguments = arguments_of_the_image()
    assert arguments["RAY_VERSION"] in needed.specifier
    python = arguments["PYTHON"].removeprefix("py")
    assert f"{python[0]}.{python[1:]}" in SpecifierSet(project["requires-python"])


def test_the_jobs_client_and_the_package_agree_on_the_oldest_ray() -> None:
    from packaging.requirements import Requirement

    from hypertune.cluster.dashboard import OLDEST_RAY

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    needed = next(need for need in map(Requirement, project["dependencies"]) if need.name == "ray")
    assert f">={'.'.join(map(str, OLDEST_RAY))}" in {str(part) for part in needed.specifier}
