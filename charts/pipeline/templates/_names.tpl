{{- define "pipeline.labels" -}}
{{- include "common.labels" (dict "root" . "name" "ctp") -}}
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
{{- include "common.selectorLabels" (dict "name" "ctp-judge" "component" "judge") -}}
{{- end }}
