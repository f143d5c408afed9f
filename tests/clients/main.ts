// What a user of the generated client writes: some calls, each with its answer or its problem.
import {
  Configuration,
  IrisApi,
  type PredictAnswer,
  type ProblemDetails,
  ProblemDetailsFromJSON,
  ResponseError,
} from "./client";

const [url, key] = process.argv.slice(2);
const api = new IrisApi(new Configuration({ basePath: url, accessToken: key }));

async function predict(...instances: unknown[]) {
  const answer: PredictAnswer = await api.predict({ predictRequest: { instances } });
  const predictions = answer.predictions.map(({ label, index, probabilities }) => ({ label, index, probabilities }));
  const outside = answer.warnings?.map(({ row, field, value }) => ({ row, field, value })) ?? [];
  return { version: answer.model.version, predictions, outside };
}

async function model() {
  const { version, sha256, labels, features, golden } = await api.model();
  const names = features.map(({ name }) => name);
  return { version, sha256, labels, names, maximum: features[0].maximum, golden: golden?.probabilities };
}

async function outcome(call: Promise<object>): Promise<object> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    const problem: ProblemDetails = ProblemDetailsFromJSON(await error.response.json());
    const { type, title, status, detail, requestId } = problem;
    const faults = problem.errors?.map(({ row, field, detail }) => ({ row, field, detail })) ?? [];
    const header = error.response.headers.get("x-request-id");
    return { type, title, status, detail, faults, requestId, header };
  }
}

async function main() {
  const named = { sepal_length: 6.2, sepal_width: 2.9, petal_length: 4.3, petal_width: 1.3 };
  const said = {
    array: await outcome(predict([5.1, 3.5, 1.4, 0.2])),
    named: await outcome(predict(named)),
    outside: await outcome(predict(named, [5.1, 3.5, 1.4, 13])),
    model: await outcome(model()),
    bad: await outcome(predict(named, { ...named, petal_width: true })),
  };
  console.log(JSON.stringify(said));
}

void main();
