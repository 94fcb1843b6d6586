{{- define "avouch.selector" -}}
app.kubernetes.io/name: avouch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "avouch.metadata" -}}
name: {{ .Release.Name }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "avouch.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .Release.Service }}
  helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
