// The conversation that every script holds, and where its spans go.
import { NodeTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';

export const SYSTEM = 'You are the SYSTEMPROMPT weather agent.';
export const HISTORY = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello, how can I help?' },
];
export const QUESTION = 'What is the weather in Seoul today?';
export const PICTURE_QUESTION = 'What is in this picture?';
export const PICTURE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const WEATHER = { degrees: 21, sky: 'sunny' };
export const CLAIMS = { consent: 'train', region: 'eu-west-1', confidentiality: 'internal' };
export const IDS = { userId: 'user-1', sessionId: 'sess-1' };

export function traceToReceiver() {
  const provider = new NodeTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': 'weather' })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  return provider;
}
