//! The chart, as Helm itself lints and renders it.

use std::process::Command;

use avouch_gateway::config::{Config, Proxy};
use serde_json::{Value, json};
use testkit::peers::require_pip;

const PAGE: &str = include_str!("../../docs/operate/kubernetes.md");

/// What Helm makes of the chart with these values; `None` where it is not installed.
#[track_caller]
fn helm(values: &str) -> Option<Value> {
    let python = require_pip("helm_python")?;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, values).unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut helm = Command::new(python);
    helm.current_dir(root).args(["tests/partners/pip/helm.py", "deploy/helm/avouch"]).arg(file);
    let output = helm.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The values on the page.
fn values() -> &'static str {
    PAGE.split("```yml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap()
}

/// What was rendered, by kind.
fn rendered(answer: &Value) -> Vec<Value> {
    assert_eq!(answer["error"], Value::Null);
    let texts = answer["manifests"].as_object().unwrap().values().filter_map(Value::as_str);
    texts.filter(|text| !text.trim().is_empty()).map(|text| serde_saphyr::from_str(text).unwrap()).collect()
}

fn of_kind<'m>(manifests: &'m [Value], kind: &str) -> &'m Value {
    manifests.iter().find(|manifest| manifest["kind"] == kind).unwrap()
}

#[test]
fn helm_renders_what_the_page_promises() {
    let Some(answer) = helm(values()) else { return };
    let findings: Vec<_> =
        answer["lint"].as_array().unwrap().iter().filter(|one| one["severity"].as_u64() > Some(1)).collect();
    assert!(findings.is_empty(), "{findings:?}");
    let manifests = rendered(&answer);
    let mut kinds: Vec<_> = manifests.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    let expected = [
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds, expected);
    for one in &manifests {
        assert_eq!(
            (&one["metadata"]["name"], &one["metadata"]["namespace"]),
            (&json!("avouch"), &json!("shop"))
        );
    }
    let pod = &of_kind(&manifests, "Deployment")["spec"]["template"];
    let labels = &pod["metadata"]["labels"];
    for (kind, selector) in [
        ("Deployment", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(of_kind(&manifests, kind).pointer(selector), Some(labels), "{kind}");
    }
    let text = of_kind(&manifests, "ConfigMap")["data"]["gateway.toml"].as_str().unwrap();
    let config = Config::parse("gateway.toml", text).unwrap();
    let verify = config.verify.unwrap();
    assert_eq!(verify.proxy, Proxy::EnvoyGrpc);
    let ports = [verify.listen, config.admin.unwrap()].map(|place| place.tcp().unwrap().port());
    let container = &pod["spec"]["containers"][0];
    assert_eq!(ports.map(Value::from), [0, 1].map(|at| container["ports"][at]["containerPort"].clone()));
    let ingress = of_kind(&manifests, "NetworkPolicy")["spec"]["ingress"].as_array().unwrap();
    assert_eq!(
        (ingress.len(), &ingress[0]["ports"][0]["port"]),
        (1, &json!(ports[0])),
        "admin is for nobody"
    );
}

/// The restricted profile of Kubernetes' Pod Security Standards.
#[test]
fn a_pod_may_as_little_as_kubernetes_can_say() {
    let Some(answer) = helm(values()) else { return };
    let manifests = rendered(&answer);
    let pod = &of_kind(&manifests, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(
        (&container["allowPrivilegeEscalation"], &container["readOnlyRootFilesystem"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(of_kind(&manifests, "ServiceAccount")["automountServiceAccountToken"], false);
    assert_eq!(pod["automountServiceAccountToken"], false);
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(pod["containers"][0][probe]["httpGet"]["port"], "admin", "{probe}");
    }
}

#[test]
fn several_share_a_store_and_have_no_volume() {
    let Some(answer) = helm(&format!("{}replicas: 3\npersistence: {{ enabled: false }}\n", values())) else {
        return;
    };
    let manifests = rendered(&answer);
    assert!(manifests.iter().all(|one| one["kind"] != "PersistentVolumeClaim"));
    let deployment = &of_kind(&manifests, "Deployment")["spec"];
    assert_eq!(
        (&deployment["replicas"], &deployment["strategy"]["type"]),
        (&json!(3), &json!("RollingUpdate"))
    );
}

#[test]
fn values_that_would_do_harm_are_refused() {
    let without = |line: &str| {
        assert!(values().contains(line), "{line}");
        values().replace(line, "")
    };
    for (changed, at) in [
        (without("  repository: registry.example/avouch\n"), "image"),
        (
            without(
                "    - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: envoy-gateway-system } }\n",
            ),
            "from",
        ),
        (values().split("config: |").next().unwrap().to_owned(), "/config"),
        (format!("{}replicas: 2\n", values()), "/persistence/enabled"),
        (format!("{}replicas: 0\n", values()), "/replicas"),
        (format!("{}replica: 1\n", values()), "replica"),
    ] {
        let Some(answer) = helm(&changed) else { return };
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(at)), "{at}: {answer}");
    }
}
