export const inner = (x) => ['esm', x];
export default { byDefault: (x) => ['default', x] };
