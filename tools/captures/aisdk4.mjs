// Vercel AI SDK 4: an agent, the same streamed, an object, a picture.
// Claims: `experimental_telemetry.metadata`.
// /// script
// dependencies = ["ai@4.3.19", "@ai-sdk/openai@1.3.24", "zod@3.25.76", "@opentelemetry/api@1.9.1",
//   "@opentelemetry/sdk-trace-node@2.12.1", "@opentelemetry/resources@2.12.1", "@opentelemetry/exporter-trace-otlp-http@0.223.1"]
// [tool.captures]
// aisdk4 = []
// ///
import { generateObject, generateText, streamText, tool } from 'ai';
import { createOpenAI } from '@ai-sdk/openai';
import { z } from 'zod';
import { CLAIMS, HISTORY, IDS, PICTURE, PICTURE_QUESTION, QUESTION, SYSTEM, WEATHER, traceToReceiver } from './conversation.mjs';

const provider = traceToReceiver();
const common = {
  model: createOpenAI({ compatibility: 'strict', baseURL: process.env.OPENAI_BASE_URL }).chat('gpt-4o'),
  temperature: 0.2,
  system: SYSTEM,
  experimental_telemetry: { isEnabled: true, functionId: 'weather', metadata: { ...CLAIMS, ...IDS } },
};
const agent = {
  ...common,
  messages: [...HISTORY, { role: 'user', content: QUESTION }],
  tools: { get_weather: tool({ description: 'Get weather', parameters: z.object({ city: z.string() }), execute: async () => WEATHER }) },
  maxSteps: 3,
};
await generateText(agent);
for await (const _ of streamText(agent).textStream);
await generateObject({ ...common, prompt: QUESTION, schema: z.object({ city: z.string(), degrees: z.number() }) });
await generateText({
  ...common,
  messages: [{ role: 'user', content: [{ type: 'text', text: PICTURE_QUESTION }, { type: 'image', image: PICTURE }] }],
});
await provider.shutdown();
