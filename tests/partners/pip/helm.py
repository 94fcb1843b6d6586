"""Has Helm lint and render a chart: the chart's folder and a file of values in, one JSON document out."""

import json
import sys

import helm_python as helm

chart, values = sys.argv[1], helm.values_from_yaml(open(sys.argv[2]).read())
try:
    report = helm.lint(chart, values, strict=True)
    with helm.Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        rendered = loaded.render(values, name="avouch", namespace="shop")
    answer = {"lint": report["messages"] or [], "manifests": rendered}
except helm.HelmError as error:
    answer = {"error": str(error)}
print(json.dumps(answer))
