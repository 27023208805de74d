// Vercel AI SDK 5 and 6: an agent, the same streamed, an object, a picture.
// Claims: `experimental_telemetry.metadata`.
// /// script
// dependencies = ["zod@4.6.7", "@opentelemetry/api@1.9.1",
//   "@opentelemetry/sdk-trace-node@2.12.1", "@opentelemetry/resources@2.12.1", "@opentelemetry/exporter-trace-otlp-http@0.223.1"]
// [tool.captures]
// aisdk5 = ["ai@5.0.277", "@ai-sdk/openai@2.0.130"]
// aisdk6 = ["ai@6.0.325", "@ai-sdk/openai@3.0.141"]
// ///
import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai';
import { createOpenAI } from '@ai-sdk/openai';
import { z } from 'zod';
import { CLAIMS, HISTORY, IDS, PICTURE, PICTURE_QUESTION, QUESTION, SYSTEM, WEATHER, traceToReceiver } from './conversation.mjs';

const provider = traceToReceiver();
const common = {
  model: createOpenAI().chat('gpt-4o'),
  temperature: 0.2,
  system: SYSTEM,
  experimental_telemetry: { isEnabled: true, functionId: 'weather', metadata: { ...CLAIMS, ...IDS } },
};
const agent = {
  ...common,
  messages: [...HISTORY, { role: 'user', content: QUESTION }],
  tools: { get_weather: tool({ description: 'Get weather', inputSchema: z.object({ city: z.string() }), execute: async () => WEATHER }) },
  stopWhen: stepCountIs(3),
};
await generateText(agent);
for await (const _ of streamText(agent).textStream);
await generateObject({ ...common, prompt: QUESTION, schema: z.object({ city: z.string(), degrees: z.number() }) });
await generateText({
  ...common,
  messages: [{ role: 'user', content: [{ type: 'text', text: PICTURE_QUESTION }, { type: 'image', image: PICTURE }] }],
});
await provider.shutdown();
