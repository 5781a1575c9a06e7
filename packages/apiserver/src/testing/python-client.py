# What Debian's python3-kubernetes makes of a server: prints one JSON line per step for foreign-clients.test.ts.
import json
import sys
import threading

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException


def tell(step, **facts):
    print(json.dumps({"step": step, **facts}), flush=True)


def main(kubeconfig):
    config.load_kube_config(kubeconfig)
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    meta = client.V1ObjectMeta(name="py", labels={"from": "python"})
    made = core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=meta, data={"a": "1"}))
    tell("create", uid=made.metadata.uid, data=made.data, created=made.metadata.creation_timestamp.year)

    found = core.list_namespaced_config_map("default", label_selector="from=python")
    tell("list", names=[item.metadata.name for item in found.items], version=found.metadata.resource_version)

    events = []
    def follow():
        stream = watch.Watch().stream(core.list_namespaced_config_map, "default", label_selector="from=python",
                                      resource_version=found.metadata.resource_version, timeout_seconds=20)
        for event in stream:
            events.append([event["type"], event["object"].metadata.name, event["object"].data])
            if event["type"] == "DELETED":
                return
    follower = threading.Thread(target=follow)
    follower.start()

    core.patch_namespaced_config_map("py", "default", {"data": {"b": "2"}})
    made = core.read_namespaced_config_map("py", "default")
    made.data["c"] = "3"
    replaced = core.replace_namespaced_config_map("py", "default", made)
    tell("replace", data=replaced.data)
    try:
        core.replace_namespaced_config_map("py", "default", made)
    except ApiException as error:
        tell("conflict", code=error.status, reason=json.loads(error.body)["reason"])
    status = core.delete_namespaced_config_map("py", "default", propagation_policy="Background")
    tell("delete", status=status.status)
    follower.join(20)
    tell("watch", events=events)

    labels = {"app": "web"}
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels),
                                        spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="i")]))
    spec = client.V1DeploymentSpec(replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template)
    body = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    deployment = apps.create_namespaced_deployment("default", body)
    scale = apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 5}})
    tell("deployment", strategy=deployment.spec.strategy.type, replicas=scale.spec.replicas)

    # The dynamic client works from discovery alone.
    resources = dynamic.DynamicClient(client.ApiClient()).resources
    nodes = resources.get(api_version="v1", kind="Node").get()
    tell("dynamic", kind=nodes.kind, groups=len(client.ApisApi().get_api_versions().groups) > 10)


main(sys.argv[1])
