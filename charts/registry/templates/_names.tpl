{{- define "registry.labels" -}}
{{- include "common.labels" (dict "root" . "name" "mlflow" "component" "server") -}}
{{- end }}

{{- define "registry.selector" -}}
{{- include "common.selectorLabels" (dict "name" "mlflow" "component" "server") -}}
{{- end }}

{{- define "registry.migrationSelector" -}}
{{- include "common.selectorLabels" (dict "name" "mlflow" "component" "migration") -}}
{{- end }}

{{- /* What a request's Host header may say: MLflow compares it whole, with the port. */ -}}
{{- define "registry.allowedHosts" -}}
{{- $port := .Values.registry.port -}}
{{- $names := list "mlflow" (printf "mlflow.%s" .Release.Namespace) (printf "mlflow.%s.svc" .Release.Namespace) (printf "mlflow.%s.svc.cluster.local" .Release.Namespace) -}}
{{- $hosts := list (printf "localhost:%v" $port) (printf "127.0.0.1:%v" $port) -}}
{{- range $names }}{{- $hosts = append $hosts (printf "%s:%v" . $port) }}{{- end -}}
{{- join "," (concat $hosts .Values.registry.allowedHosts) -}}
{{- end }}

{{- define "registry.environment" -}}
# The one name that MLflow reads it by; it never stands in an argument.
- name: MLFLOW_BACKEND_STORE_URI
  valueFrom:
    secretKeyRef: {name: {{ .Values.registry.database.secretName }}, key: uri}
- {name: HOME, value: /tmp}
- {name: MLFLOW_DISABLE_TELEMETRY, value: "true"}
- {name: DO_NOT_TRACK, value: "1"}
{{- end }}
