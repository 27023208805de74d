{{- define "pipeline.labels" -}}
app.kubernetes.io/name: ctp
app.kubernetes.io/part-of: ctp
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Every pod that Argo starts carries this label. */ -}}
{{- define "pipeline.workflowPods" -}}
matchExpressions:
  - key: workflows.argoproj.io/workflow
    operator: Exists
{{- end }}

{{- /* Of those, the ones that ask a judge; the duty is the component in workflows/templates.py. */ -}}
{{- define "pipeline.judgingPods" -}}
matchExpressions:
  - key: workflows.argoproj.io/workflow
    operator: Exists
  - key: app.kubernetes.io/component
    operator: In
    values: [label, gate]
{{- end }}

{{- /* Pods of a RayJob: made by KubeRay from workflows/rayjob.py, so Argo's label is not on them. */ -}}
{{- define "pipeline.rayPods" -}}
matchLabels:
  app.kubernetes.io/part-of: ctp
  ray.io/is-ray-node: "yes"
{{- end }}

{{- define "pipeline.judgeLabels" -}}
app.kubernetes.io/name: ctp-judge
app.kubernetes.io/component: judge
{{- end }}
