//! The manifests that the guide for Kubernetes shows, as far as they can be held to anything without a cluster.

use avouch_gateway::config::{Config, Proxy};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/operate/kubernetes.md");

/// The members that a manifest of each kind has to have, beside `metadata.name`.
const REQUIRED: [(&str, &str, &[&str]); 8] = [
    ("ConfigMap", "v1", &["/data"]),
    ("PersistentVolumeClaim", "v1", &["/spec/accessModes/0", "/spec/resources/requests/storage"]),
    (
        "Deployment",
        "apps/v1",
        &[
            "/spec/selector/matchLabels",
            "/spec/template/metadata/labels",
            "/spec/template/spec/containers/0/name",
            "/spec/template/spec/containers/0/image",
        ],
    ),
    ("Service", "v1", &["/spec/selector", "/spec/ports/0/port"]),
    ("NetworkPolicy", "networking.k8s.io/v1", &["/spec/podSelector", "/spec/ingress/0/from/0"]),
    (
        "Gateway",
        "gateway.networking.k8s.io/v1",
        &[
            "/spec/gatewayClassName",
            "/spec/listeners/0/name",
            "/spec/listeners/0/port",
            "/spec/listeners/0/protocol",
        ],
    ),
    (
        "HTTPRoute",
        "gateway.networking.k8s.io/v1",
        &["/spec/parentRefs/0/name", "/spec/rules/0/backendRefs/0/port"],
    ),
    (
        "SecurityPolicy",
        "gateway.envoyproxy.io/v1alpha1",
        &["/spec/targetRefs/0/group", "/spec/extAuth/grpc/backendRefs/0/port"],
    ),
];

fn manifests(page: &str) -> Result<Vec<Value>, String> {
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let read = blocks.map(|block| serde_saphyr::from_multiple(block).map_err(|error| error.to_string()));
    Ok(read.collect::<Result<Vec<Vec<Value>>, _>>()?.concat())
}

fn of_kind<'m>(manifests: &'m [Value], kind: &str) -> &'m Value {
    manifests.iter().find(|manifest| manifest["kind"] == kind).unwrap()
}

/// What is missing of a page, or not as its kind wants it.
fn faults(page: &str) -> Vec<String> {
    let manifests = match manifests(page) {
        Ok(manifests) => manifests,
        Err(error) => return vec![error],
    };
    let of = |(kind, version, members): &(&str, &str, &[&str])| {
        let Some(one) = manifests.iter().find(|manifest| manifest["kind"] == *kind) else {
            return vec![format!("no {kind}")];
        };
        let members = ["/metadata/name", "/metadata/namespace"].iter().chain(members.iter());
        let missing = members.filter(|member| one.pointer(member).is_none_or(Value::is_null));
        let mut faults: Vec<_> = missing.map(|member| format!("{kind}: no {member}")).collect();
        if one["apiVersion"] != *version {
            faults.push(format!("{kind}: version"));
        }
        faults
    };
    REQUIRED.iter().flat_map(of).collect()
}

#[test]
fn the_manifests_have_what_their_kinds_require() {
    assert_eq!(faults(PAGE), Vec::<String>::new());
    assert_eq!(manifests(PAGE).unwrap().len(), REQUIRED.len(), "each kind is looked at");
    for (given, without, fault) in [
        ("          image: registry.example/avouch:0.1.0\n", "", "/spec/template/spec/containers/0/image"),
        ("kind: SecurityPolicy", "kind: SecurityPolicies", "no SecurityPolicy"),
        ("apiVersion: apps/v1", "apiVersion: v1", "Deployment: version"),
        ("  replicas: 1\n", " replicas: 1\n", ""),
    ] {
        assert!(PAGE.contains(given), "{given}");
        let faults = faults(&PAGE.replace(given, without));
        assert!(faults.iter().any(|found| found.contains(fault)), "{without}: {faults:?}");
    }
}

#[test]
fn the_manifests_belong_together() {
    let manifests = manifests(PAGE).unwrap();
    let at =
        |kind: &str, member: &str| of_kind(&manifests, kind).pointer(member).cloned().unwrap_or_default();
    assert!(manifests.iter().all(|manifest| manifest["metadata"]["namespace"] == "shop"));
    let labels = at("Deployment", "/spec/template/metadata/labels");
    for (kind, member) in [
        ("Deployment", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(at(kind, member), labels, "{kind}");
    }
    let volume = |name: &str| format!("/spec/template/spec/volumes/{name}");
    assert_eq!(at("Deployment", &volume("0/configMap/name")), at("ConfigMap", "/metadata/name"));
    let claim = at("Deployment", &volume("1/persistentVolumeClaim/claimName"));
    assert_eq!(claim, at("PersistentVolumeClaim", "/metadata/name"));
    let asked = at("SecurityPolicy", "/spec/extAuth/grpc/backendRefs/0");
    assert_eq!(asked["name"], at("Service", "/metadata/name"));
    assert_eq!(asked["port"], at("Service", "/spec/ports/0/port"));
    assert_eq!(at("SecurityPolicy", "/spec/extAuth/failOpen"), Value::Bool(false));
    assert_eq!(at("SecurityPolicy", "/spec/targetRefs/0/name"), at("HTTPRoute", "/metadata/name"));
    assert_eq!(at("HTTPRoute", "/spec/parentRefs/0/name"), at("Gateway", "/metadata/name"));
    assert_eq!(at("Deployment", "/spec/replicas"), 1, "two would accept a request twice");
}

#[test]
fn the_configuration_listens_where_the_manifests_say() {
    let manifests = manifests(PAGE).unwrap();
    let text = of_kind(&manifests, "ConfigMap")["data"]["gateway.toml"].as_str().unwrap();
    let config = Config::parse("gateway.toml", text).unwrap();
    let verify = config.verify.unwrap();
    assert_eq!(verify.proxy, Proxy::EnvoyGrpc);
    let container = &of_kind(&manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let ports = [verify.listen, config.admin.unwrap()].map(|place| place.tcp().unwrap().port());
    assert_eq!(ports.map(Value::from), [0, 1].map(|at| container["ports"][at]["containerPort"].clone()));
    let args: Vec<_> =
        container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    assert_eq!(args, ["gateway", "run", "--config", "/etc/avouch/gateway.toml"]);
    let policy = of_kind(&manifests, "NetworkPolicy");
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], ports[0], "the admin port is for nobody");
}
