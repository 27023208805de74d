// Mastra: an agent, and the same streamed.
// Claims: `tracingOptions.metadata`.
// /// script
// dependencies = ["node@22.23.3", "@mastra/core@1.71.0", "@mastra/observability@1.17.9", "@mastra/otel-exporter@1.4.0",
//   "@opentelemetry/api@1.9.1", "@opentelemetry/exporter-trace-otlp-http@0.218.0", "@ai-sdk/openai@3.0.141", "zod@4.6.7"]
// [tool.captures]
// mastra = []
// ///
import { createOpenAI } from '@ai-sdk/openai';
import { Agent } from '@mastra/core/agent';
import { Mastra } from '@mastra/core/mastra';
import { createTool } from '@mastra/core/tools';
import { Observability } from '@mastra/observability';
import { OtelExporter } from '@mastra/otel-exporter';
import { z } from 'zod';
import { CLAIMS, HISTORY, IDS, QUESTION, SYSTEM, WEATHER } from './conversation.mjs';

const MESSAGES = [...HISTORY, { role: 'user', content: QUESTION }];
const endpoint = `${process.env.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`;
const exporter = new OtelExporter({ provider: { custom: { endpoint, protocol: 'http/json' } } });
const weather = createTool({
  id: 'get_weather',
  description: 'Get weather',
  inputSchema: z.object({ city: z.string() }),
  execute: async () => WEATHER,
});
const mastra = new Mastra({
  agents: {
    weather: new Agent({
      id: 'weather', name: 'weather', instructions: SYSTEM, model: createOpenAI().chat('gpt-4o'), tools: { get_weather: weather },
    }),
  },
  observability: new Observability({ configs: { otel: { serviceName: 'weather', exporters: [exporter] } } }),
});
const agent = mastra.getAgent('weather');
const options = { tracingOptions: { metadata: { ...CLAIMS, ...IDS } }, modelSettings: { temperature: 0.2 } };
await agent.generate(MESSAGES, options);
await (await agent.stream(MESSAGES, options)).text;
await mastra.shutdown();
process.exit(0);
