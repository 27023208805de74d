{{- define "registry.labels" -}}
{{ include "registry.selector" . }}
app.kubernetes.io/part-of: ctp
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "registry.selector" -}}
app.kubernetes.io/name: mlflow
app.kubernetes.io/component: server
{{- end }}

{{- define "registry.migrationSelector" -}}
app.kubernetes.io/name: mlflow
app.kubernetes.io/component: migration
{{- end }}

{{- /* What a request's Host header may say: MLflow compares it whole, with the port. */ -}}
{{- define "registry.allowedHosts" -}}
{{- $port := .Values.registry.port -}}
{{- $names := list "mlflow" (printf "mlflow.%s" .Release.Namespace) (printf "mlflow.%s.svc" .Release.Namespace) (printf "mlflow.%s.svc.cluster.local" .Release.Namespace) -}}
{{- $hosts := list (printf "localhost:%v" $port) (printf "127.0.0.1:%v" $port) -}}
{{- range $names }}{{- $hosts = append $hosts (printf "%s:%v" . $port) }}{{- end -}}
{{- join "," (concat $hosts .Values.registry.allowedHosts) -}}
{{- end }}

{{- define "registry.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.registry.userId }}
runAsGroup: {{ .Values.registry.userId }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "registry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
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
