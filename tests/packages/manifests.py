"""Reads the manifests in a folder by the packages that know their schemas, for test_examples.py;
prints what is wrong as a list in JSON.

Knative publishes no schema of its own. Its template holds a pod's specification, with few fields
beside and only some of a pod's; those are checked here by its API's own description.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import kubernetes_validate
import yaml

KUBERNETES = "1.37"
# What of a pod Knative takes when nothing is switched on in its configuration, and what it adds.
KNATIVE_POD = {
    "containers",
    "enableServiceLinks",
    "imagePullSecrets",
    "serviceAccountName",
    "volumes",
}
KNATIVE_OWN = {"containerConcurrency", "idleTimeoutSeconds", "timeoutSeconds"}
KNATIVE_ANNOTATIONS = {
    "autoscaling.knative.dev/" + name
    for name in (
        "class",
        "initial-scale",
        "max-scale",
        "metric",
        "min-scale",
        "scale-down-delay",
        "target",
        "window",
    )
}


def kubernetes(manifest: dict) -> list[str]:
    """Complaints of Kubernetes' strict schema, which knows no other fields than its own."""
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{manifest['kind']}: {'.'.join(map(str, error.path))}: {error.message}"]
    return []


def unknown(where: str, found: dict, known: set[str]) -> list[str]:
    return [f"{where}: {name} is unknown" for name in sorted(set(found) - known)]


def knative(manifest: dict) -> list[str]:
    """Complaints about a service of Knative."""
    wrong = unknown("service", manifest, {"apiVersion", "kind", "metadata", "spec"})
    wrong += unknown("spec", manifest["spec"], {"template", "traffic"})
    template = manifest["spec"]["template"]
    wrong += unknown("template", template, {"metadata", "spec"})
    annotations = template.get("metadata", {}).get("annotations", {})
    wrong += unknown("annotations", annotations, KNATIVE_ANNOTATIONS)
    wrong += [f"{name} is no string" for name, v in annotations.items() if not isinstance(v, str)]
    wrong += unknown("template.spec", template["spec"], KNATIVE_POD | KNATIVE_OWN)
    spec = copy.deepcopy(template["spec"])
    for name in KNATIVE_OWN:
        spec.pop(name, None)
    (container,) = spec["containers"]
    if len(container.get("ports", [])) > 1:
        wrong.append("a service has one port")
    # Knative names the only container itself.
    container.setdefault("name", "user-container")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    return wrong + kubernetes(pod)


def problems(file: Path) -> list[str]:
    """What is wrong with a file."""
    found = []
    for manifest in yaml.safe_load_all(file.read_text()):
        is_knative = manifest["apiVersion"].startswith("serving.knative.dev/")
        found += (knative if is_knative else kubernetes)(manifest)
    return [f"{file.name}: {problem}" for problem in found]


if __name__ == "__main__":
    files = sorted(Path(sys.argv[1]).glob("*.yaml"))
    wrong = [problem for file in files for problem in problems(file)]
    print(json.dumps({"files": [file.name for file in files], "problems": wrong}))
