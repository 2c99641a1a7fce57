// The typed client: what it sends, what it makes of answers, and what the compiler refuses.
import { describe, expect, it } from "vitest";
import type { Charge, Refund } from "../../client/api.ts";
import { createClient } from "../../client/client.ts";
import { EXAMPLES } from "../../scripts/openapi/examples.ts";

/** A service that gives one answer, and keeps what it was asked. */
function service(status: number, body: unknown) {
  const asked: Request[] = [];
  const client = createClient({
    baseUrl: "https://refunds.example.com",
    key: "sk_test_example",
    language: "en",
    fetch: async (request) => {
      asked.push(request);
      return Response.json(body, { status });
    },
  });
  return { client, asked };
}

const refund = EXAMPLES.Refund as Refund;
const path = { charge: refund.charge };

describe("the client", () => {
  it("creates a refund: its key, its path and its body arrive, and the answer is a refund", async () => {
    const { client, asked } = service(200, refund);
    const { data, error } = await client.POST("/v1/charges/{charge}/refunds", {
      params: { path, header: { "Idempotency-Key": "return-1" } },
      body: { amount: 100, description: "Returned" },
    });
    expect(error).toBeUndefined();
    const status: "pending" | "succeeded" | "failed" | undefined = data?.status;
    expect(status).toBe("succeeded");
    const [request] = asked;
    expect(request?.url).toBe(`https://refunds.example.com/v1/charges/${refund.charge}/refunds`);
    expect(request?.headers.get("Authorization")).toBe("Bearer sk_test_example");
    expect(request?.headers.get("Accept-Language")).toBe("en");
    expect(request?.headers.get("Idempotency-Key")).toBe("return-1");
    expect(await request?.json()).toEqual({ amount: 100, description: "Returned" });
  });

  it("gives an error as the service words it, and throws nothing", async () => {
    const { client } = service(400, {
      error: { type: "invalid_request_error", message: "No", param: "amount" },
    });
    const { data, error } = await client.GET("/v1/charges/{charge}", { params: { path } });
    expect(data).toBeUndefined();
    const param: string | undefined = error?.error.param;
    expect(param).toBe("amount");
  });

  it("asks for a page with numbers and bounds", async () => {
    const { client, asked } = service(200, { object: "list", url: "/v1/charges", has_more: false, data: [] });
    const { data } = await client.GET("/v1/charges", {
      params: { query: { limit: 2, paid: true, "created[gte]": 1_767_225_600 } },
    });
    const charges: Charge[] | undefined = data?.data;
    expect(charges).toEqual([]);
    const query = new URL(asked[0]?.url ?? "").searchParams;
    expect(Object.fromEntries(query)).toEqual({ limit: "2", paid: "true", "created[gte]": "1767225600" });
  });
});

/** Never run: the compiler reads it, and fails when one of these is taken. */
async function refusedByTheCompiler(client: ReturnType<typeof createClient>) {
  const refunds = "/v1/charges/{charge}/refunds";
  const params = { path };
  // @ts-expect-error There is no such path.
  await client.GET("/v1/nothing");
  // @ts-expect-error A refund needs a description.
  await client.POST(refunds, { params, body: { amount: 1 } });
  // @ts-expect-error Amounts are numbers.
  await client.POST(refunds, { params, body: { amount: "1", description: "x" } });
  // @ts-expect-error A path has its ids.
  await client.GET("/v1/charges/{charge}", {});
  const { data } = await client.GET("/v1/charges/{charge}", { params });
  // @ts-expect-error A charge has no such field.
  return data?.amount_left;
}

it("the compiler refuses what the service would", () => {
  expect(refusedByTheCompiler).toBeTypeOf("function");
});
