{{- /* Our own image: it fetches the model, and serves it with engine ctp. */ -}}
{{- define "rollouts.image" -}}
{{- .Values.serving.ctp.image | default .Values.workflows.train_image | default .Values.workflows.image | required "serving with engine ctp needs workflows.image or serving.ctp.image" -}}
{{- end }}

{{- /* Spans say which version answered and from which ReplicaSet: the quality exporter tells canary from stable by it. */ -}}
{{- define "rollouts.environment" -}}
- name: CTP_POD_TEMPLATE_HASH
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['rollouts-pod-template-hash']
- name: OTEL_SERVICE_NAME
  value: {{ .Values.derived.pipeline.model_name }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: service.version={{ .Values.model.version }},ctp.model_version={{ .Values.model.version }},ctp.pod_template_hash=$(CTP_POD_TEMPLATE_HASH)
- name: HOME
  value: /tmp
{{- end }}

{{- define "rollouts.engine.vllm" -}}
image: {{ .Values.serving.vllm.image | quote }}
command: [python3, -m, vllm.entrypoints.openai.api_server]
args:
  - --model=/models/current
  - --served-model-name={{ .Values.derived.pipeline.model_name }}
  - --host=0.0.0.0
  - --port={{ .Values.serving.port }}
  {{- with .Values.serving.vllm.otlpEndpoint }}
  - --otlp-traces-endpoint={{ . }}
  {{- end }}
  {{- range .Values.serving.vllm.args }}
  - {{ . | quote }}
  {{- end }}
env:
  {{- include "rollouts.environment" . | nindent 2 }}
  # The root file system is read-only and the user has no entry in /etc/passwd.
  - {name: USER, value: ctp}
  - {name: XDG_CACHE_HOME, value: /tmp/cache}
  - {name: HF_HOME, value: /tmp/cache/huggingface}
  - {name: VLLM_CACHE_ROOT, value: /tmp/cache/vllm}
  - {name: VLLM_CONFIG_ROOT, value: /tmp/cache/vllm-config}
  - {name: TRITON_CACHE_DIR, value: /tmp/cache/triton}
  - {name: TORCHINDUCTOR_CACHE_DIR, value: /tmp/cache/inductor}
  - {name: CUDA_CACHE_PATH, value: /tmp/cache/cuda}
  - {name: FLASHINFER_WORKSPACE_BASE, value: /tmp/cache}
  - {name: NUMBA_CACHE_DIR, value: /tmp/cache/numba}
  # What is served was fetched and checked; nothing is looked up or reported elsewhere.
  - {name: HF_HUB_OFFLINE, value: "1"}
  - {name: TRANSFORMERS_OFFLINE, value: "1"}
  - {name: VLLM_NO_USAGE_STATS, value: "1"}
  - {name: DO_NOT_TRACK, value: "1"}
{{- end }}

{{- define "rollouts.engine.ctp" -}}
image: {{ include "rollouts.image" . | quote }}
command: [ctp]
args:
  - serve
  - model
  - --model=/models/current
  - --served-model-name={{ .Values.derived.pipeline.model_name }}
  - --model-version={{ .Values.model.version }}
  - --host=0.0.0.0
  - --port={{ .Values.serving.port }}
  - --threads={{ .Values.serving.ctp.threads }}
  {{- with .Values.serving.ctp.spansDir }}
  - --spans-dir={{ . }}
  {{- end }}
env:
  {{- include "rollouts.environment" . | nindent 2 }}
{{- end }}
