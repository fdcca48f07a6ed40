// The page as a string. Values from elsewhere pass through html, which escapes.

const money = new Intl.NumberFormat("en-US", { style: "currency", currency: "EUR" });

class Markup extends String {}

const escape = (value) => String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

// Template tag: escapes every value but markup, and joins lists.
function html(strings, ...values) {
  const text = (value) => {
    if (Array.isArray(value)) return value.map(text).join("");
    return value instanceof Markup ? value : escape(value);
  };
  return new Markup(String.raw({ raw: strings }, ...values.map(text)));
}

const itemRow = (item) => html`
  <tr>
    <td>${item.name}<small>${item.stock} in stock</small></td>
    <td class="number">${money.format(item.price_cents / 100)}</td>
    <td>
      <form method="post" action="/">
        <input type="hidden" name="item_id" value="${item.id}">
        <input type="number" name="quantity" value="1" min="1" max="${item.stock}" aria-label="Quantity">
        <button>Order</button>
      </form>
    </td>
  </tr>`;

const orderRow = (order) => html`
  <tr>
    <td>${order.quantity} × ${order.item}<small>order ${order.id}</small></td>
    <td class="number">${money.format(order.total_cents / 100)}</td>
  </tr>`;

const table = (answer, row, empty) => {
  if (answer.error) return html`<p class="notice">${answer.error}</p>`;
  if (answer.body.length === 0) return html`<p>${empty}</p>`;
  return html`<table>${answer.body.map(row)}</table>`;
};

const style = `
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent); }
  body { max-width: 40rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
  h1, h2 { font-weight: 600; line-height: 1.2; }
  h2 { margin: 2.5rem 0 .5rem; font-size: 1.1rem; }
  table { width: 100%; border-collapse: collapse; }
  td { padding: .6rem 0; border-top: 1px solid var(--line); }
  .number { text-align: right; font-variant-numeric: tabular-nums; }
  small { display: block; opacity: .6; }
  form { display: flex; gap: .5rem; justify-content: flex-end; }
  input, button { font: inherit; padding: .2rem .6rem; border: 1px solid var(--line); border-radius: .4rem; }
  input { width: 3.5rem; }
  button { cursor: pointer; }
  .notice { padding: .6rem .8rem; border-left: 3px solid #c2410c; background: color-mix(in srgb, #c2410c 10%, transparent); }
  footer { margin-top: 3rem; font-size: .85rem; opacity: .6; }`;

// Returns the page. items and orders are what the services answered: a body or
// an error, and the instance that said so.
export function page({ items, orders, notice, instance }) {
  const answered = [instance, items.instance, orders.instance].filter(Boolean).join(" · ");
  return String(html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>Shop</title>
<style>${new Markup(style)}</style>
<h1>Shop</h1>
${notice ? html`<p class="notice" role="alert">${notice}</p>` : ""}
<h2>Items</h2>
${table(items, itemRow, "Nothing for sale.")}
<h2>Recent orders</h2>
${table(orders, orderRow, "None yet: place the first one.")}
<footer>Answered by ${answered}</footer>
</html>
`);
}
