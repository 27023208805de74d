// Langfuse JS SDK: the OpenAI client wrapped by `observeOpenAI` inside an observation of the application.
// Claims: `propagateAttributes` with user, session and metadata.
// /// script
// dependencies = ["openai@6.49.0", "@opentelemetry/api@1.9.1", "@opentelemetry/sdk-trace-node@2.12.1",
//   "@opentelemetry/resources@2.12.1", "@opentelemetry/exporter-trace-otlp-http@0.223.1"]
// [tool.captures]
// langfuse_js4 = ["@langfuse/tracing@4.6.1", "@langfuse/otel@4.6.1", "@langfuse/openai@4.6.1"]
// langfuse_js5 = ["@langfuse/tracing@5.11.1", "@langfuse/otel@5.11.1", "@langfuse/openai@5.11.1"]
// ///
import { observeOpenAI } from '@langfuse/openai';
import { LangfuseSpanProcessor } from '@langfuse/otel';
import { propagateAttributes, startActiveObservation } from '@langfuse/tracing';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import OpenAI from 'openai';
import { CLAIMS, IDS, MESSAGES, OBJECT_FORMAT, PICTURE_MESSAGES, QUESTION, SYSTEM, TOOLS, WEATHER } from './conversation.mjs';

const processor = new LangfuseSpanProcessor({ publicKey: 'pk', secretKey: 'none', baseUrl: process.env.OTEL_EXPORTER_OTLP_ENDPOINT });
const provider = new NodeTracerProvider({ spanProcessors: [processor] });
provider.register();
const client = observeOpenAI(new OpenAI(), { generationName: 'weather-model' });

async function ask(body) {
  const answer = await client.chat.completions.create({ model: 'gpt-4o', temperature: 0.2, ...body });
  if (!body.stream) return answer.choices[0].message;
  const message = { role: 'assistant', content: null };
  for await (const { choices } of answer) {
    const delta = choices[0]?.delta ?? {};
    if (delta.content) message.content = (message.content ?? '') + delta.content;
    for (const call of delta.tool_calls ?? []) {
      message.tool_calls ??= [{ ...call, function: { ...call.function, arguments: '' } }];
      message.tool_calls[0].function.arguments += call.function.arguments;
    }
  }
  return message;
}

async function runAgent(extra) {
  const messages = [...MESSAGES];
  for (;;) {
    const message = await ask({ messages, tools: TOOLS, ...extra });
    if (!message.tool_calls) return message.content;
    const result = await startActiveObservation('get_weather', async tool => {
      tool.update({ input: message.tool_calls[0].function.arguments, output: WEATHER });
      return JSON.stringify(WEATHER);
    }, { asType: 'tool' });
    messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: result });
  }
}

async function trace(name, input, work) {
  await propagateAttributes({ ...IDS, metadata: CLAIMS }, () =>
    startActiveObservation(name, async span => span.update({ input, output: await work() })));
}

const system = { role: 'system', content: SYSTEM };
await trace('agent', QUESTION, () => runAgent({}));
await trace('agent-stream', QUESTION, () => runAgent({ stream: true, stream_options: { include_usage: true } }));
await trace('object', QUESTION, async () =>
  (await ask({ messages: [system, { role: 'user', content: QUESTION }], response_format: OBJECT_FORMAT })).content);
await trace('picture', 'picture', async () => (await ask({ messages: PICTURE_MESSAGES })).content);
await provider.shutdown();
