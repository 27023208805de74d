// Vercel AI SDK 7: an agent, the same streamed, an object, a picture.
// Claims: `runtimeContext` with `telemetry.includeRuntimeContext` (context and legacy), or attributes of `enrichSpan`.
// /// script
// dependencies = ["ai@7.0.173", "@ai-sdk/otel@1.0.173", "@ai-sdk/openai@4.0.118", "zod@4.6.7", "@opentelemetry/api@1.9.1",
//   "@opentelemetry/sdk-trace-node@2.12.1", "@opentelemetry/resources@2.12.1", "@opentelemetry/exporter-trace-otlp-http@0.223.1"]
// [tool.captures]
// aisdk7_context = []
// aisdk7_enrich = []
// aisdk7_legacy = []
// ///
import { generateText, isStepCount, Output, registerTelemetry, streamText, tool } from 'ai';
import { LegacyOpenTelemetry, OpenTelemetry } from '@ai-sdk/otel';
import { createOpenAI } from '@ai-sdk/openai';
import { z } from 'zod';
import { CLAIMS, HISTORY, IDS, PICTURE, PICTURE_QUESTION, QUESTION, SYSTEM, WEATHER, traceToReceiver } from './conversation.mjs';

const provider = traceToReceiver();
const claims = { ...CLAIMS, ...IDS };
registerTelemetry(
  {
    aisdk7_context: () => new OpenTelemetry({ runtimeContext: true, usage: true }),
    aisdk7_enrich: () => new OpenTelemetry({ enrichSpan: () => ({ ...CLAIMS, 'user.id': IDS.userId, 'session.id': IDS.sessionId }) }),
    aisdk7_legacy: () => new LegacyOpenTelemetry(),
  }[process.env.CAPTURE](),
);

const common = {
  model: createOpenAI().chat('gpt-4o'),
  temperature: 0.2,
  instructions: SYSTEM,
  runtimeContext: claims,
  telemetry: { functionId: 'weather', includeRuntimeContext: Object.fromEntries(Object.keys(claims).map(key => [key, true])) },
};
const agent = {
  ...common,
  messages: [...HISTORY, { role: 'user', content: QUESTION }],
  tools: { get_weather: tool({ description: 'Get weather', inputSchema: z.object({ city: z.string() }), execute: async () => WEATHER }) },
  stopWhen: isStepCount(3),
};
await generateText(agent);
await streamText(agent).text;
await generateText({
  ...common,
  prompt: QUESTION,
  output: Output.object({ schema: z.object({ city: z.string(), degrees: z.number() }) }),
});
await generateText({
  ...common,
  messages: [{ role: 'user', content: [{ type: 'text', text: PICTURE_QUESTION }, { type: 'file', mediaType: 'image/png', data: PICTURE }] }],
});
await provider.shutdown();
