{{/* What tells this installation's objects from another's. */}}
{{- define "towline.instance" -}}
{{ .Values.name }}.{{ .Release.Namespace }}
{{- end }}

{{/* The labels by which the pods are found; they never change. */}}
{{- define "towline.selector" -}}
app.kubernetes.io/name: towline
app.kubernetes.io/instance: {{ include "towline.instance" . }}
{{- end }}

{{- define "towline.labels" -}}
{{ include "towline.selector" . }}
app.kubernetes.io/component: control-plane
{{- end }}

{{- define "towline.metadata" -}}
name: {{ .Values.name | quote }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "towline.labels" . | nindent 2 }}
  app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* A role and its binding: of (root, kind, namespace). The rights are made from the code's own table. */}}
{{- define "towline.granted" -}}
{{- $rights := list }}
{{- range .root.Files.Get "files/rights.json" | fromJsonArray }}
{{- $wanted := or (eq $.kind "ClusterRole") (not .clusterwide) }}
{{- if and $wanted (or $.root.Values.mirrorNamespaces (not .mirrors)) }}{{ $rights = append $rights . }}{{ end }}
{{- end }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ include "towline.instance" .root }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "towline.labels" .root | nindent 4 }}
    app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  annotations:
    towline/reasons: |
      {{- range $rights }}
      {{ .resource }}: {{ .why }}
      {{- end }}
rules:
  {{- range $rights }}
  # {{ .why }}
  - apiGroups: [{{ .group | quote }}]
    resources: [{{ .resource | quote }}]
    verbs: {{ .verbs | toJson }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ include "towline.instance" .root }}
  {{- with .namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "towline.labels" .root | nindent 4 }}
    app.kubernetes.io/managed-by: {{ .root.Release.Service }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ include "towline.instance" .root }}
subjects:
  - kind: ServiceAccount
    name: {{ .root.Values.name | quote }}
    namespace: {{ .root.Release.Namespace | quote }}
{{- end }}

{{/* The settings of the container: those of the user come last and win. */}}
{{- define "towline.environment" -}}
{{- $settings := list
  (list "data" "/var/lib/towline/data")
  (list "host" "0.0.0.0")
  (list "port" "8420")
  (list "engine" "kubernetes")
  (list "keyring_command" "cat /etc/towline/keyring/keyring.json") }}
{{- if .Values.databaseSecret }}
{{- $settings = append $settings (list "drain_notice_seconds" "5") }}
{{- end }}
{{- with .Values.watchNamespaces }}
{{- $settings = append $settings (list "kubernetes_namespace" (first .)) }}
{{- end }}
{{- with .Values.mirrorNamespaces }}
{{- $settings = append $settings (list "kubernetes_mirror_namespaces" (join " " .)) }}
{{- end }}
{{- if .Values.tlsSecret }}
{{- $settings = append $settings (list "tls_cert" "/etc/towline/tls/tls.crt") }}
{{- $settings = append $settings (list "tls_key" "/etc/towline/tls/tls.key") }}
{{- else if not .Values.trustedProxies }}
{{- $settings = append $settings (list "allow_plain_http" "true") }}
{{- end }}
{{- with .Values.trustedProxies }}
{{- $settings = append $settings (list "trusted_proxies" (join " " .)) }}
{{- end }}
{{- $own := .Values.settings }}
{{- $usual := list }}
{{- range $settings }}
{{- $usual = append $usual (first .) }}
- name: {{ printf "TOWLINE_%s" (upper (first .)) }}
  value: {{ index $own (first .) | default (last .) | quote }}
{{- end }}
{{- range $name, $value := $own }}
{{- if not (has $name $usual) }}
- name: {{ printf "TOWLINE_%s" (upper $name) }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- with .Values.databaseSecret }}
- name: TOWLINE_DATABASE
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: url
{{- end }}
{{- end }}

{{/* What contradicts itself ends the rendering, with what would be right. */}}
{{- define "towline.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.databaseSecret) }}
{{- fail "replicas: they cannot share the file of SQLite; use 1, or name a Secret with a PostgreSQL URL: databaseSecret" }}
{{- end }}
{{- if and .Values.host (not (or .Values.ingress.tlsSecret .Values.tlsSecret .Values.allowPlainHttp)) }}
{{- fail "host: passwords would cross the network in the clear; name the certificate's Secret: ingress.tlsSecret, or allow it: allowPlainHttp" }}
{{- end }}
{{- if and (not .Values.host) (or .Values.ingress.className .Values.ingress.tlsSecret .Values.ingress.annotations) }}
{{- fail "host: an Ingress has none; give its host name" }}
{{- end }}
{{- if gt (len (include "towline.instance" .)) 63 }}
{{- fail "name: together with the namespace it is too long; use at most 63 letters" }}
{{- end }}
{{- end }}
