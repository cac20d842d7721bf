"""The examples for clusters: shell that parses, and commands that exist. Slurm and SkyPilot themselves are not run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from command_line import Cli

CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"


def test_the_slurm_script_is_shell_and_asks_for_its_recipe() -> None:
    script = CLUSTER / "train.sbatch"
    subprocess.run(["bash", "-n", str(script)], check=True)
    asked = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False)
    assert asked.returncode and "usage: sbatch train.sbatch RECIPE" in asked.stderr
    assert all(line.startswith("#") for line in script.read_text().split("set -euo")[0].splitlines() if line)


def test_both_go_on_from_a_checkpoint_by_an_option_that_there_is(callwright: Cli) -> None:
    sky = yaml.safe_load((CLUSTER / "sky.yaml").read_text())
    subprocess.run(["bash", "-n"], input=sky["run"] + sky["setup"], text=True, check=True)
    for text in ((CLUSTER / "train.sbatch").read_text(), sky["run"]):
        assert "-m callwright train" in text and "--resume" in text
    code, out, _ = callwright("train", "--help")
    assert code == 0 and "--resume" in out
