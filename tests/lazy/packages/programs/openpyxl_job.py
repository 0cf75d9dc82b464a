"""A workbook with a formula, a style and a chart is written and read."""

import openpyxl
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font

book = openpyxl.Workbook()
sheet = book.active
for row in (["a", 1], ["b", 2]):
    sheet.append(row)
sheet["C1"] = "=SUM(B1:B2)"
sheet["A1"].font = Font(bold=True)
chart = BarChart()
chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=2))
sheet.add_chart(chart, "E2")
book.save("book.xlsx")
again = openpyxl.load_workbook("book.xlsx").active
print([[cell.value for cell in row] for row in again.iter_rows()], again["A1"].font.bold)
