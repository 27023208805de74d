{{- /*
securityContext of a pod. dict: userId (the user of our own images where there is none), fsGroup (true: volumes belong to the
user's group, and one that already does is not walked through at every start).
*/ -}}
{{- define "common.podSecurityContext" -}}
{{- $userId := .userId | default 65532 -}}
runAsNonRoot: true
runAsUser: {{ $userId }}
runAsGroup: {{ $userId }}
{{- if .fsGroup }}
fsGroup: {{ $userId }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* securityContext of a container; what it writes goes to volumes. */ -}}
{{- define "common.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
