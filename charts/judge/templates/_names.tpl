{{- define "judge.labels" -}}
{{- include "common.labels" (dict "root" . "name" "judge") -}}
{{- end }}

{{- /* What KServe labels its pods with. */ -}}
{{- define "judge.selector" -}}
matchExpressions:
  - key: app
    operator: In
    values:
      {{- range $name, $_ := .Values.judge.models }}
      - isvc.{{ $name }}-predictor
      {{- end }}
{{- end }}

{{- /* What clients ask for. dict: root, name. */ -}}
{{- define "judge.servedModel" -}}
{{- $pipeline := .root.Values.derived.pipeline -}}
{{- if eq .name "reward-judge" }}{{ $pipeline.reward_judge.model }}
{{- else if eq .name "gate-judge" }}{{ $pipeline.gate_judge.model }}
{{- else }}{{ $pipeline.reward_judge.embedding_model }}
{{- end }}
{{- end }}

{{- /* On-demand price of the machine that a replica takes: Spot costs less, never more. */ -}}
{{- define "judge.usdPerHour" -}}
{{- $cost := .Values.derived.pipeline.cost -}}
{{- index $cost.instances $cost.machines.judge.instance "hour_usd" "on-demand" -}}
{{- end }}

{{- /*
Work that wants this model, whether it runs or not: pods of a workflow or a training, and a canary.
Without any, 0 as long as kube-state-metrics answers; without an answer nothing, which holds the replicas.
dict: root, model.
*/ -}}
{{- define "judge.demand" -}}
{{- $root := .root -}}
{{- $window := $root.Values.judge.scaling.demandWindow -}}
{{- $namespace := $root.Values.workflows.namespace -}}
{{- $pods := printf "sum(max by (pod) (max_over_time(kube_pod_status_phase{namespace=%q,phase=~\"Pending|Running\"}[%s])) * on (pod) max by (pod) (max_over_time(kube_pod_labels{namespace=%q,label_app_kubernetes_io_component=~%q}[%s])))" $namespace $window $namespace (join "|" .model.duties) $window -}}
{{- $work := printf "(%s or vector(0))" $pods -}}
{{- if .model.canary }}
{{- $work = printf "(%s + (count(rollout_info{name=%q,phase=~\"Progressing|Paused\"} == 1) or vector(0)))" $work $root.Values.serving.name -}}
{{- end }}
{{- printf "%s and on () count(kube_node_info)" $work -}}
{{- end }}

{{- /* Requests that no slot is free for; 0 where no replica is ready; nothing where one is and is not heard. dict: name, served. */ -}}
{{- define "judge.waiting" -}}
{{- printf "sum(vllm:num_requests_waiting{model_name=%q}) or 0 * (max(kube_deployment_status_replicas_available{deployment=%q}) == 0)" .served (printf "%s-predictor" .name) -}}
{{- end }}
