#!/usr/bin/env python3
"""Lints the chart, renders it with the defaults and with every file of helm/ci, and validates what comes out against
the Kubernetes schemas. Uses the real Helm library (helm-python-sdk); scripts/setup.sh installs what is needed.

    helm/check.py [BINARY]

With the program itself it also has the servers read the configurations that the chart renders. Writes nothing into the
checkout. Exit status 0 when all holds, 1 otherwise.
"""
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml
from helm_python import Chart
from helm_python.chart import lint

HERE = Path(__file__).resolve().parent
CHART = HERE / "strandline"
KUBERNETES = "1.32"
EXPECTED = {"StatefulSet": 2, "Service": 3, "ConfigMap": 1}


def volume(**changes):
    """Values with one destination volume."""
    source = {"persistentVolumeClaim": {"claimName": "backups"}}
    return {"destinations": {"volumes": [{"name": "backups", "mountPath": "/backups", "source": source} | changes]}}


# Values that must not be rendered, and the words of the refusal.
REFUSED = {
    "a destination called data": (volume(name="data"), 'the name "data" is that of a server\'s own volume'),
    "a destination called config": (volume(name="config"), 'the name "config" is that of a server\'s own volume'),
    "a destination called tmp": (volume(name="tmp"), 'the name "tmp" is that of a server\'s own volume'),
    "a destination without a name": (volume(name=""), "every volume needs a name"),
    "a destination without a source": (volume(source=None), "has no source"),
    "a destination on the server's disk": (volume(mountPath="/var/lib/strandline/backups"), "keep their own files"),
    "a destination in the place of the configuration": (volume(mountPath="/etc/strandline"), "keep their own files"),
    "a destination in the place of /tmp": (volume(mountPath="/tmp/"), "keep their own files"),
} | {
    f"the cluster id {bad!r}": ({"cluster": {"id": bad}}, "cluster.id")
    for bad in (0, -1, 1.5, "abc", "", "0", None, True)
}


def documents(values):
    """Every rendered object, with the template it comes from."""
    with Chart.load(CHART) as chart:
        rendered = chart.render(values=values, name="demo", namespace="backup")
    for template, text in sorted(rendered.items()):
        if template.endswith((".yaml", ".yml")):
            for document in yaml.safe_load_all(text):
                if document:
                    yield template, document


def config(file, text, binary):
    """Problems of a server's configuration: TOML, all three schedulers, and the server itself takes it."""
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        return [str(e)]
    schedulers = [p["address"] for p in read.get("peers", [])] or read.get("schedulers", [])
    problems = [] if len(set(schedulers)) == 3 else [f"names the schedulers {schedulers}"]
    if binary:
        problems += taken(file.removesuffix(".toml"), text, binary)
    return problems


def taken(kind, text, binary):
    """What the server says against the configuration, as the last pod of its set."""
    pod = f"demo-{kind}-2"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{kind}.toml"
        path.write_text(text)
        command = [binary, kind, "--check", "--node-id-from-hostname", "--config", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "POD_NAME": pod, "HOSTNAME": pod})
    return [] if done.returncode == 0 else [done.stderr.strip()]


def check(name, values, binary):
    """Problems of one set of values."""
    problems = []
    report = lint(CHART, values=values, strict=True)
    problems += [f"lint: {m['path']}: {m['error']}" for m in report["messages"] if m["severity"] >= 2]
    problems += [f"lint: {e}" for e in report["errors"]]
    kinds = {}
    for template, document in documents(values):
        kinds[document["kind"]] = kinds.get(document["kind"], 0) + 1
        try:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as e:
            problems.append(f"{template}: {document['kind']}: {e.message} at {'/'.join(map(str, e.path))}")
        if document["kind"] == "ConfigMap":
            problems += [f"{template}: {file}: {p}" for file, text in document["data"].items() for p in config(file, text, binary)]
    for kind, count in EXPECTED.items():
        if kinds.get(kind) != count:
            problems.append(f"{kinds.get(kind, 0)} objects of kind {kind}, expected {count}")
    print(f"helm: {name}: {sum(kinds.values())} objects, {len(problems)} problems")
    return problems


def refused(name, values, words):
    """Problems of values that must not be rendered."""
    try:
        list(documents(values))
    except Exception as e:
        return [] if words in str(e) else [f"the refusal does not say '{words}': {e}"]
    return ["it is rendered"]


def volumes(values):
    """Problems of the destinations in the pods: every server has each of them, and what is mounted is what was asked for."""
    problems = []
    for template, document in documents(values):
        if document["kind"] != "StatefulSet":
            continue
        pod = document["spec"]["template"]["spec"]
        claims = {c["metadata"]["name"] for c in document["spec"]["volumeClaimTemplates"]}
        sources = {v["name"]: {k: s for k, s in v.items() if k != "name"} for v in pod["volumes"]}
        mounts = {m["mountPath"]: m["name"] for m in pod["containers"][0]["volumeMounts"]}
        for wanted in values.get("destinations", {}).get("volumes", []):
            name = mounts.get(wanted["mountPath"])
            if name in claims or sources.get(name) != wanted["source"]:
                problems.append(f"{template}: {wanted['mountPath']} is volume {name}, not {wanted['source']}")
    return problems


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else None
    problems = check("defaults", {}, binary)
    for file in sorted((HERE / "ci").glob("*.yaml")):
        values = yaml.safe_load(file.read_text())
        problems += [f"{file.name}: {p}" for p in check(file.name, values, binary) + volumes(values)]
    problems += volumes(volume())
    for name, (values, words) in REFUSED.items():
        problems += [f"{name}: {p}" for p in refused(name, values, words)]
    print(f"helm: {len(REFUSED)} sets of values are refused")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
