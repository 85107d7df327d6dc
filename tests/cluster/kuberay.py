"""The fields of KubeRay's resources that manifests may use, kept by hand from its resource definitions (version 1.6).

An unknown field is an error here, as it is for `kubectl apply` with strict validation. Of Kubernetes' own pod template
only what the manifests use is listed.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
STRINGS: Schema = {"type": "object", "additionalProperties": STRING}
ANY: Schema = {}
QUANTITY: Schema = {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i)?$"}


def table(required: tuple[str, ...] = (), **fields: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": fields}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def choice(*values: str) -> Schema:
    return {"enum": list(values)}


SECURITY = table(
    allowPrivilegeEscalation=BOOLEAN, privileged=BOOLEAN, readOnlyRootFilesystem=BOOLEAN, runAsNonRoot=BOOLEAN,
    runAsUser=INTEGER, runAsGroup=INTEGER, capabilities=table(add=array(STRING), drop=array(STRING)),
    seccompProfile=table(("type",), type=choice("RuntimeDefault", "Unconfined", "Localhost"), localhostProfile=STRING),
)  # fmt: skip
POD_SECURITY = table(
    runAsNonRoot=BOOLEAN, runAsUser=INTEGER, runAsGroup=INTEGER, fsGroup=INTEGER, supplementalGroups=array(INTEGER),
    seccompProfile=table(("type",), type=choice("RuntimeDefault", "Unconfined", "Localhost"), localhostProfile=STRING),
)  # fmt: skip
CONTAINER = table(
    ("name", "image"), name=STRING, image=STRING,
    imagePullPolicy=choice("Always", "IfNotPresent", "Never"), securityContext=SECURITY,
    command=array(STRING), args=array(STRING),
    env=array(table(("name",), name=STRING, value=STRING, valueFrom=ANY)), envFrom=array(ANY),
    ports=array(table(("containerPort",), name={**STRING, "maxLength": 15}, containerPort=INTEGER, protocol=STRING)),
    resources=table(
        requests={"type": "object", "additionalProperties": QUANTITY},
        limits={"type": "object", "additionalProperties": QUANTITY},
    ),
    volumeMounts=array(table(("name", "mountPath"), name=STRING, mountPath=STRING, readOnly=BOOLEAN, subPath=STRING)),
    livenessProbe=ANY, readinessProbe=ANY, lifecycle=ANY, workingDir=STRING,
)  # fmt: skip
POD = table(
    ("spec",),
    metadata=table(labels=STRINGS, annotations=STRINGS),
    spec=table(
        ("containers",), containers={**array(CONTAINER), "minItems": 1}, initContainers=array(CONTAINER),
        volumes=array(table(
            ("name",), name=STRING, emptyDir=ANY, secret=ANY, configMap=ANY,
            persistentVolumeClaim=table(("claimName",), claimName=STRING, readOnly=BOOLEAN),
        )),
        securityContext=POD_SECURITY, serviceAccountName=STRING, automountServiceAccountToken=BOOLEAN,
        nodeSelector=STRINGS, tolerations=array(ANY), affinity=ANY, imagePullSecrets=array(table(name=STRING)),
        restartPolicy=choice("Always", "OnFailure", "Never"), terminationGracePeriodSeconds=INTEGER,
        priorityClassName=STRING, hostNetwork=BOOLEAN,
    ),
)  # fmt: skip
HEAD = table(
    ("template",), template=POD, rayStartParams=STRINGS, headService=ANY, enableIngress=BOOLEAN, ingressOptions=ANY,
    serviceType=choice("ClusterIP", "NodePort", "LoadBalancer"), resources=STRINGS, labels=STRINGS,
)  # fmt: skip
WORKERS = table(
    ("groupName", "template"), groupName={**STRING, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}, template=POD,
    rayStartParams=STRINGS, replicas=INTEGER, minReplicas=INTEGER, maxReplicas=INTEGER, numOfHosts=INTEGER,
    idleTimeoutSeconds=INTEGER, suspend=BOOLEAN, resources=STRINGS, labels=STRINGS,
    scaleStrategy=table(workersToDelete=array(STRING)),
)  # fmt: skip
CLUSTER_SPEC = table(
    ("headGroupSpec",), headGroupSpec=HEAD, workerGroupSpecs=array(WORKERS), rayVersion=STRING,
    enableInTreeAutoscaling=BOOLEAN, headServiceAnnotations=STRINGS, suspend=BOOLEAN, managedBy=STRING,
    autoscalerOptions=table(
        resources=ANY, image=STRING, imagePullPolicy=STRING, securityContext=SECURITY, env=array(ANY),
        envFrom=array(ANY), volumeMounts=array(ANY), idleTimeoutSeconds=INTEGER, version=choice("v1", "v2"),
        upscalingMode=choice("Default", "Aggressive", "Conservative"),
    ),
    authOptions=table(mode=choice("disabled", "token"), secretName=STRING, enableK8sTokenAuth=BOOLEAN),
    gcsFaultToleranceOptions=ANY, upgradeStrategy=table(type=choice("Recreate", "None")),
)  # fmt: skip
JOB_SPEC = table(
    ("entrypoint",), entrypoint=STRING, runtimeEnvYAML=STRING, jobId=STRING, metadata=STRINGS,
    rayClusterSpec=CLUSTER_SPEC, clusterSelector=STRINGS, activeDeadlineSeconds=INTEGER, backoffLimit=INTEGER,
    submissionMode=choice("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    submitterPodTemplate=POD, submitterConfig=table(backoffLimit=INTEGER), managedBy=STRING, deletionStrategy=ANY,
    entrypointNumCpus={"type": "number"}, entrypointNumGpus={"type": "number"}, entrypointResources=STRING,
    shutdownAfterJobFinishes=BOOLEAN, ttlSecondsAfterFinished=INTEGER, suspend=BOOLEAN,
)  # fmt: skip
METADATA = table(
    name={**STRING, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}, generateName=STRING, namespace=STRING, labels=STRINGS,
    annotations=STRINGS,
)  # fmt: skip


def resource(kind: str, spec: Schema) -> Schema:
    return table(
        ("apiVersion", "kind", "metadata", "spec"), apiVersion=choice("ray.io/v1"), kind=choice(kind),
        metadata=METADATA, spec=spec,
    )  # fmt: skip


RESOURCES = {"RayCluster": resource("RayCluster", CLUSTER_SPEC), "RayJob": resource("RayJob", JOB_SPEC)}
