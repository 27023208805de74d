// Genkit: an agent as a flow, the same streamed, an object, a picture.
// Claims: the `context` of the flow.
// /// script
// dependencies = ["genkit@1.42.0", "@genkit-ai/compat-oai@1.42.0", "@opentelemetry/api@1.9.1",
//   "@opentelemetry/sdk-trace-node@2.12.1", "@opentelemetry/resources@2.12.1", "@opentelemetry/exporter-trace-otlp-http@0.223.1"]
// [tool.captures]
// genkit = []
// ///
import { openAI } from '@genkit-ai/compat-oai/openai';
import { genkit, z } from 'genkit';
import { disableGenkitOTelInitialization } from 'genkit/tracing';
import { CLAIMS, HISTORY, IDS, PICTURE, PICTURE_QUESTION, QUESTION, SYSTEM, WEATHER, traceToReceiver } from './conversation.mjs';

disableGenkitOTelInitialization();
const provider = traceToReceiver();
const ai = genkit({ plugins: [openAI({ baseURL: process.env.OPENAI_BASE_URL })], model: openAI.model('gpt-4o') });
const weather = ai.defineTool(
  { name: 'get_weather', description: 'Get weather', inputSchema: z.object({ city: z.string() }), outputSchema: z.any() },
  async () => WEATHER,
);
const common = { system: SYSTEM, config: { temperature: 0.2 } };
const messages = HISTORY.map(({ role, content }) => ({ role: role === 'user' ? 'user' : 'model', content: [{ text: content }] }));
const agent = { ...common, messages, prompt: QUESTION, tools: [weather] };

const traces = {
  agent: async () => (await ai.generate(agent)).text,
  'agent-stream': async () => {
    const { stream, response } = ai.generateStream(agent);
    for await (const _ of stream);
    return (await response).text;
  },
  object: async () =>
    (await ai.generate({ ...common, prompt: QUESTION, output: { schema: z.object({ city: z.string(), degrees: z.number() }) } })).output,
  picture: async () => (await ai.generate({ ...common, prompt: [{ text: PICTURE_QUESTION }, { media: { url: PICTURE } }] })).text,
};
for (const [name, work] of Object.entries(traces)) {
  const flow = ai.defineFlow({ name, inputSchema: z.string() }, work);
  await flow(QUESTION, { context: { ...CLAIMS, ...IDS } });
}
await provider.shutdown();
process.exit(0);
