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

// For clients that take OpenAI's own shapes.
export const MESSAGES = [{ role: 'system', content: SYSTEM }, ...HISTORY, { role: 'user', content: QUESTION }];
export const PICTURE_MESSAGES = [
  { role: 'system', content: SYSTEM },
  { role: 'user', content: [{ type: 'text', text: PICTURE_QUESTION }, { type: 'image_url', image_url: { url: PICTURE } }] },
];
export const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Get weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
export const OBJECT_FORMAT = {
  type: 'json_schema',
  json_schema: {
    name: 'weather',
    strict: true,
    schema: {
      type: 'object',
      properties: { city: { type: 'string' }, degrees: { type: 'integer' } },
      required: ['city', 'degrees'],
      additionalProperties: false,
    },
  },
};
